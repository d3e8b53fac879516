//! Laws of comparing, on tables made at random.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod laws;
mod rules;
mod support;
