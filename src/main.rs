//! The command line.

use std::process::ExitCode;

/// Columns come and go by the megabyte: the system's allocator gives each back and asks for it anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    counterfoil::cli::main()
}
