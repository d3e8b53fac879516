//! The command line.

use std::process::ExitCode;

/// Columns come and go by the megabyte. The system's allocator gives each back and asks for it anew, and the kernel
/// clears every page of it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of `mimalloc.h`; the binding has no name for it.
const PURGE_DELAY: std::ffi::c_int = 15;

fn main() -> ExitCode {
    // What was freed stays for the next columns: measured, a quarter of the time of a large sort.
    // SAFETY: sets a number before any other thread runs.
    #[allow(unsafe_code, reason = "the allocator's option has no safe setter")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, -1);
    }
    counterfoil::cli::main()
}
