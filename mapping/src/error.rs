//! What is wrong with a mapping, and where it stands in the plan.

use counterfoil_model::plan::{Origin, Spanned};

/// A mapping can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MappingError {
    /// What is wrong, with the nearest known name where one was mistyped.
    pub message: String,
    /// Where it stands in the plan.
    pub origin: Origin,
    /// How to mend it.
    pub help: Option<String>,
    /// The offending text of the plan.
    pub text: String,
}

impl MappingError {
    /// A problem with a text of the plan.
    pub(crate) fn at(text: &Spanned<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), origin: text.origin, help: None, text: text.value.clone() }
    }

    /// The same, with advice.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A problem that has no place yet: what is wrong, and advice.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The problem at its place in the plan.
    pub(crate) fn at(self, text: &Spanned<String>) -> MappingError {
        MappingError { message: self.message, origin: text.origin, help: self.help, text: text.value.clone() }
    }
}

impl From<arrow::error::ArrowError> for Problem {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<counterfoil_model::TableError> for Problem {
    fn from(error: counterfoil_model::TableError) -> Self {
        Self::new(error.to_string())
    }
}
