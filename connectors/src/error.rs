//! Errors by meaning, never by driver type.

use std::fmt;

/// What kind of thing went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The URL can't be understood.
    BadUrl,
    /// A file, table or collection that isn't there.
    NotFound,
    /// The operating system or the database refuses.
    NoPermission,
    /// A file that is not what it should be, or is damaged.
    Corrupt,
    /// Somebody else holds a lock.
    Locked,
    /// A column holds a value that its type doesn't: scan again with it as a variant.
    Mixed(String),
    /// Anything else from the storage.
    Storage,
}

/// A connection could not be opened or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorError {
    /// What kind of thing went wrong.
    pub kind: ErrorKind,
    /// Where: a file, a URL without secrets, with a table where one is known.
    pub place: String,
    /// What happened.
    pub problem: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl ConnectorError {
    /// An error at a place.
    pub fn new(kind: ErrorKind, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind, place: place.into(), problem: problem.into(), help: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for ConnectorError {}
