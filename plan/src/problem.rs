//! What is wrong with a plan: all of it, each problem with its place.

use std::fmt;
use std::sync::Arc;

use counterfoil_model::plan::Origin;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::secret;
use crate::source::{Place, Sources};

/// One problem of a plan file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where it stands; line 0 where it stands in no file.
    pub origin: Origin,
    source_code: Option<NamedSource<Arc<str>>>,
    span: Option<std::ops::Range<usize>>,
}

impl PlanError {
    /// A problem that stands in no text, such as an unreadable file.
    pub(crate) fn nowhere(message: String, help: Option<String>) -> Self {
        Self { message, help, origin: Origin::default(), source_code: None, span: None }
    }

    /// A problem at a place.
    pub(crate) fn at(sources: &Sources, place: Place, message: &str, help: Option<&str>) -> Self {
        let (message, help) = (secret::presentable(message), help.map(secret::presentable));
        let source_code = sources.text(place.source).map(|t| NamedSource::new(&t.name, t.shown.clone()));
        let span = source_code.is_some().then(|| sources.span(place));
        Self { message, help, origin: sources.origin(place), source_code, span }
    }

    /// The text that is wrong, passwords starred.
    pub fn offending(&self) -> Option<&str> {
        self.source_code.as_ref()?.inner().get(self.span.clone()?)
    }
}

impl Diagnostic for PlanError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source_code.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".into()), span))))
    }
}

/// Everything that is wrong with a plan, in the order of the file, then of the `--set` arguments.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{source_name}: the plan has {}", count(problems.len()))]
pub struct PlanErrors {
    /// The plan file.
    pub source_name: String,
    /// The problems; at least one.
    pub problems: Vec<PlanError>,
}

fn count(n: usize) -> String {
    if n == 1 { "a problem".into() } else { format!("{n} problems") }
}

impl Diagnostic for PlanErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<(Place, String, Option<String>)>,
}

impl Problems {
    /// Adds a problem.
    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>) {
        self.found.push((place, message.into(), None));
    }

    /// Adds a problem with advice.
    pub(crate) fn advise(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        let help: String = help.into();
        self.found.push((place, message.into(), (!help.is_empty()).then_some(help)));
    }

    /// How many there are so far.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// The errors, sorted by place, or nothing.
    pub(crate) fn into_errors(mut self, sources: &Sources) -> Option<PlanErrors> {
        self.found.sort_by_key(|(place, ..)| *place);
        self.found.dedup();
        let problems: Vec<_> = self
            .found
            .into_iter()
            .map(|(place, message, help)| PlanError::at(sources, place, &message, help.as_deref()))
            .collect();
        let source_name = sources.text(0).map(|t| t.name.clone()).unwrap_or_default();
        (!problems.is_empty()).then_some(PlanErrors { source_name, problems })
    }
}
