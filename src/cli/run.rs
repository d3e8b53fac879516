//! `counterfoil run`.

use std::path::PathBuf;

use clap::Args;
use counterfoil_model::report::Report;
use counterfoil_plan::{Known, Loaded};

use super::{Common, color, print};
use crate::engine::{self, Options, Progress};
use crate::error::Error;

/// Snapshot source and target, compare them as the plan says, report, and gate
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil run plan.yaml
  counterfoil run plan.yaml --out runs/monday
  counterfoil run plan.yaml --set gate.pass_rate=99% --quiet
  counterfoil run plan.yaml --stop-after 100
  counterfoil run plan.yaml --json | jq .gate

Exit codes: 1 failed checks break the gate; 2 it could not be decided; 0 otherwise.")]
pub struct RunArgs {
    /// The plan file
    plan: PathBuf,
    /// The phase of the plan to run (default: all rows)
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// The folder to write the run into (default: runs/<name>-<UTC time>)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set a value of the plan, as in `--set gate.pass_rate=99%`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Stop comparing a table after so many differences; what is left counts as not compared
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,
}

/// Does the run and prints its summary.
pub fn run(args: &RunArgs, common: &Common) -> Result<u8, Error> {
    let loaded = load(&args.plan, &args.set)?;
    let options = Options {
        plan_path: args.plan.clone(),
        phase: args.phase.clone(),
        set: args.set.clone(),
        out: args.out.clone(),
        stop_after: args.stop_after,
        memory: common.budget(),
        progress: Progress::new(common.quiet || common.json),
    };
    let finished = engine::run(&loaded, &options)?;
    let report = &finished.report;
    if common.json {
        print(&counterfoil_reports::json(report).map_err(|e| Error::other(e.to_string(), None))?)?;
    } else if !common.quiet {
        print(&summary(report))?;
        print(&format!("\nreport: {}\n", finished.folder.display()))?;
    }
    Ok(report.gate.exit_code)
}

/// Reads a plan file with the validators of this build.
pub fn load(path: &std::path::Path, set: &[String]) -> Result<Loaded, Error> {
    let validators: Vec<(String, Vec<String>)> =
        counterfoil_validators::catalogue().iter().map(|v| (v.name.to_owned(), v.option_names())).collect();
    let env = |name: &str| std::env::var(name).ok();
    Ok(counterfoil_plan::load(path, set, &env, &Known { validators: &validators })?)
}

/// The summary for a terminal, or plain where there is none.
pub fn summary(report: &Report) -> String {
    counterfoil_reports::terminal(
        report,
        &counterfoil_reports::TerminalOptions { width: None, color: color() },
    )
}
