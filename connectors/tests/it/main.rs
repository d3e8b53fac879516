//! Connectors against the conformance suite, and each one's own traps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod conformance;
mod firestore;
mod sqlite;
