//! The command line: one file a subcommand. Parsing does nothing; the subcommands do.

mod completions;
mod memory;
mod report;
mod run;
mod schema;
mod show;
mod snapshot;
mod validators;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use counterfoil_snapshots::MemoryBudget;

use crate::engine::work;
use crate::error::Error;

/// The exit code of what was stopped by Ctrl-C, as shells have it (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Proves that a data migration is complete and exact, and where it is not, says what differs and why.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

const AFTER_HELP: &str = "\
Examples:
  counterfoil run plan.yaml                       compare, report, exit 0, 1 or 2
  counterfoil run plan.yaml --set connections.app.url=sqlite:other.db
  counterfoil show runs/moonlanding-20260105 --table users
  counterfoil validators row_diff

Exit codes: 1 failed checks break the gate; 2 it could not be decided (a bad plan, an unreachable
database, an inconclusive check); 0 otherwise.";

/// Options of every subcommand.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Print no progress and no summary
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// How many threads to use (default: one for each core)
    #[arg(long, value_name = "N", global = true)]
    threads: Option<usize>,
    /// How much memory to use, such as 512MiB or 4GB (default: half of the machine's)
    #[arg(long, value_name = "SIZE", global = true, value_parser = memory::size)]
    memory: Option<usize>,
}

impl Common {
    /// The memory that sorting may take.
    fn budget(&self) -> MemoryBudget {
        MemoryBudget::new(self.memory.unwrap_or_else(memory::default_limit))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Snapshot(snapshot::SnapshotArgs),
    Show(show::ShowArgs),
    Report(report::ReportArgs),
    Validators(validators::ValidatorsArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; anything else is a usage error, which clap ends with 2 as well.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let _ = miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().context_lines(1).width(100).build())
    }));
    if let Some(threads) = cli.common.threads {
        // First, while there is a single thread.
        counterfoil_mapping::set_threads(threads.max(1));
        // Fails only where a pool exists already, which nothing before this line makes.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
    }
    let _ = ctrlc::set_handler(|| {
        work::interrupt();
        let _ = writeln!(
            std::io::stderr(),
            "\ninterrupted: nothing was kept of this run, earlier runs are whole"
        );
        #[allow(clippy::exit)]
        std::process::exit(INTERRUPTED);
    });
    let result = match &cli.command {
        Command::Run(args) => run::run(args, &cli.common),
        Command::Snapshot(args) => snapshot::run(args, &cli.common),
        Command::Show(args) => show::run(args, &cli.common),
        Command::Report(args) => report::run(args),
        Command::Validators(args) => validators::run(args, &cli.common),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(args),
    };
    work::wait_if_interrupted();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{:?}", miette::Report::new(error));
            ExitCode::from(2)
        }
    }
}

/// Writes a result to stdout. A reader that went away (`| head`) is no error.
fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::other(format!("failed to write to stdout: {e}"), None))
        }
        _ => Ok(()),
    }
}

/// Whether stdout wants colours: a terminal, and no `NO_COLOR` (<https://no-color.org>).
fn color() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
