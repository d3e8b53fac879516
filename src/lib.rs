//! counterfoil proves that a data migration is complete and exact, and where it is not, says what differs and
//! why.
//!
//! This crate joins the members: [`connect`] opens connections, [`engine`] does a run, [`cli`] is the command
//! line. The members can be used by themselves: `counterfoil-model` (canonical values, equality rules, reports),
//! `counterfoil-connectors`, `counterfoil-snapshots`, `counterfoil-mapping`, `counterfoil-validators`,
//! `counterfoil-reports`.

pub mod cli;
pub mod connect;
pub mod engine;
pub mod error;

pub use error::Error;
