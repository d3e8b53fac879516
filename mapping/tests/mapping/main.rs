//! Mappings over tables in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bare;
mod bending;
mod coverage;
mod dedup;
mod explode;
mod property;
mod query;
mod sql;
mod support;
