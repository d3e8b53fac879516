//! The validators, one file or folder each, and the comparison kernels. They know only the model: no database,
//! no file, no clock, no severity, no format.

pub mod compare;
mod registry;

mod coordinate;
mod data_type;
mod dedup;
mod file_path;
mod foreign_key;
mod json_field;
mod orphan;
mod row_count;
mod row_diff;
mod support;
mod timestamp;
mod uniqueness;

use std::sync::Arc;

use counterfoil_model::pair::{Pairs, TablePair};
use counterfoil_model::{CheckOutcome, DifferenceSink, TableError};

pub use registry::{Documentation, Validator, catalogue, find, options_schema};

/// What a check is given.
pub struct Input<'a> {
    /// The table it is used on.
    pub pair: &'a Arc<TablePair>,
    /// Every table of the run, for checks across tables.
    pub pairs: &'a Pairs,
    /// Where `row_diff` writes differences; other validators leave it alone.
    pub differences: &'a mut dyn DifferenceSink,
    /// The folder of the plan, for options that name files; already read by the engine where needed.
    pub files: &'a dyn FileStore,
    /// `row_diff` ends after so many findings, and says that it was stopped.
    pub stop_after: Option<u64>,
}

/// Files that options name (a JSON Schema, a store that paths point into). The engine does the I/O.
pub trait FileStore: Sync {
    /// The text of a file, by the path that the plan gives.
    ///
    /// # Errors
    /// A description of what went wrong.
    fn text(&self, path: &str) -> Result<String, String>;
    /// The size in bytes of a file below `store`; `None` where there is none.
    ///
    /// # Errors
    /// A description of what went wrong.
    fn size(&self, store: &str, path: &str) -> Result<Option<u64>, String>;
    /// BLAKE3 of a file below `store`, hexadecimal; `None` where there is none.
    ///
    /// # Errors
    /// A description of what went wrong.
    fn digest(&self, store: &str, path: &str) -> Result<Option<String>, String>;
}

/// A check could not be done. This is not a finding: the checker broke, or was asked for what can't be.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The options don't fit: an unknown column, a missing option.
    #[error("{0}")]
    Options(String),
    /// A table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Differences could not be written.
    #[error("failed to write differences: {0}")]
    Sink(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A check, ready to run: a validator with its options.
pub trait Check: Send + Sync + std::fmt::Debug {
    /// The columns that it looks at, as far as the options name them.
    fn columns(&self) -> Vec<String> {
        Vec::new()
    }

    /// Looks, and says what it found and what it looked at.
    ///
    /// # Errors
    /// Where it could not look.
    fn run(&self, input: &mut Input<'_>) -> Result<CheckOutcome, CheckError>;
}
