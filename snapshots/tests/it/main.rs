//! The snapshot store: vectors that other languages can reproduce, laws, damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod laws;
mod store;
mod vectors;
