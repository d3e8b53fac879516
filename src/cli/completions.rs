//! `counterfoil completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, print};
use crate::error::Error;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  counterfoil completions bash > /etc/bash_completion.d/counterfoil
  counterfoil completions zsh > ~/.zfunc/_counterfoil")]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
pub fn run(args: &CompletionsArgs) -> Result<u8, Error> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "counterfoil", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}
