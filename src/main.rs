//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    counterfoil::cli::main()
}
