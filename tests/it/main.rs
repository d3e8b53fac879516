//! End to end: the program itself, through its command line, on real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod bad_input;
mod command_line;
mod determinism;
mod docs;
mod killed;
mod scenarios;
mod support;
