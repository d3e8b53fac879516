//! End to end: the program itself, through its command line, on real files.

mod bad_input;
mod command_line;
mod determinism;
mod docs;
mod scenarios;
mod support;
