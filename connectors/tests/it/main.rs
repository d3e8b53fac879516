//! Connectors against the conformance suite, and each one's own traps.

mod conformance;
mod firestore;
mod sqlite;
