//! Plans that load, plans that are refused, and the schema of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod loads;
mod never_panics;
mod refuses;
mod schema;
mod support;
