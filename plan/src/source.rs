//! The texts that a plan comes from (the file, and each `--set`), with places in them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use counterfoil_model::plan::Origin;

use crate::secret;

/// A stretch of one of the texts, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// 0 is the plan file; 1 and up are the `--set` arguments in order.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Place {
    /// The whole of a text's first line: for problems that stand nowhere in particular.
    pub(crate) fn top() -> Self {
        Self::default()
    }
}

/// One text, with everything blotted out that looks like a password or could upset a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// What to call it: the file's path, or `--set`.
    pub name: String,
    /// What may be shown.
    pub shown: Arc<str>,
    lines: Vec<usize>,
}

impl Text {
    fn new(name: &str, text: &str) -> Self {
        let shown: Arc<str> = secret::presentable(text).into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), shown, lines }
    }

    /// Line (from 0) of a byte.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of a line (from 0) without its end.
    fn line_range(&self, line: usize) -> Range<usize> {
        let start = self.lines.get(line).copied().unwrap_or(self.shown.len());
        let end = self.lines.get(line + 1).map_or(self.shown.len(), |next| next - 1);
        start..end.max(start)
    }
}

/// All texts of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    texts: Vec<Text>,
    marks: HashMap<(u32, u32), Place>,
}

impl Sources {
    /// The file's text and the `--set` arguments.
    pub(crate) fn new(name: &str, text: &str, set: &[String]) -> Self {
        let file = Text::new(name, text);
        let set = set.iter().map(|argument| Text::new("--set", argument));
        Self { texts: std::iter::once(file).chain(set).collect(), marks: HashMap::new() }
    }

    /// The text that a place is in.
    pub(crate) fn text(&self, source: usize) -> Option<&Text> {
        self.texts.get(source)
    }

    /// Where a place starts. A `--set` argument has line 0, and its number (from 1) as column.
    pub(crate) fn origin(&self, place: Place) -> Origin {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        if place.source > 0 {
            return Origin { line: 0, column: small(place.source) };
        }
        let Some(text) = self.text(0) else { return Origin::default() };
        let line = text.line(place.start);
        let before = text.shown.get(text.line_range(line).start..place.start).unwrap_or_default();
        Origin { line: small(line + 1), column: small(before.chars().count() + 1) }
    }

    /// The origin of a place that somebody may ask for again: see [`Self::place`].
    pub(crate) fn mark(&mut self, place: Place) -> Origin {
        let origin = self.origin(place);
        if origin.line > 0 {
            self.marks.insert((origin.line, origin.column), place);
        }
        origin
    }

    /// Where a text stands within a place; the place where it doesn't.
    pub(crate) fn within(&self, place: Place, text: &str) -> Place {
        let shown = self.text(place.source).and_then(|t| t.shown.get(place.start..place.end));
        shown.and_then(|shown| shown.find(text)).map_or(place, |at| {
            let start = place.start + at;
            Place { start, end: start + text.len(), ..place }
        })
    }

    /// The bytes to underline for a place: no more than the rest of its first line.
    pub(crate) fn span(&self, place: Place) -> Range<usize> {
        let Some(text) = self.text(place.source) else { return 0..0 };
        let line = text.line_range(text.line(place.start));
        let start = floor(&text.shown, place.start.min(line.end));
        let end = floor(&text.shown, place.end.min(line.end).max(start));
        let trimmed = text.shown.get(start..end).unwrap_or_default().trim_end().len();
        start..start + trimmed
    }

    /// The place that an origin names; up to the end of the line where none was marked.
    pub(crate) fn place(&self, origin: Origin) -> Option<Place> {
        if origin.line == 0 {
            let source = origin.column as usize;
            let text = self.text(source).filter(|_| source > 0)?;
            return Some(Place { source, start: 0, end: text.shown.len() });
        }
        if let Some(place) = self.marks.get(&(origin.line, origin.column)) {
            return Some(*place);
        }
        let text = self.text(0)?;
        let line = text.line_range(origin.line as usize - 1);
        let within = text.shown.get(line.clone()).unwrap_or_default();
        let skip = (origin.column as usize).saturating_sub(1);
        let start = line.start + within.char_indices().nth(skip).map_or(within.len(), |(at, _)| at);
        Some(Place { source: 0, start, end: line.end })
    }

    /// Blots out a secret where it stands in a place; all of the place where it isn't found as it is.
    pub(crate) fn blot(&mut self, place: Place, secret: &str) {
        let Some(text) = self.texts.get_mut(place.source) else { return };
        let mut shown = text.shown.to_string();
        let Some(within) = shown.get(place.start..place.end) else { return };
        let mut ranges: Vec<_> = within.match_indices(secret).map(|(at, s)| at..at + s.len()).collect();
        if within.contains(&"*".repeat(secret.len())) {
            return; // the look of the text was enough
        }
        if ranges.is_empty() {
            ranges.push(0..within.len());
        }
        let masked = secret::stars(within, &ranges);
        shown.replace_range(place.start..place.end, &masked);
        text.shown = shown.into();
    }
}

/// The last character boundary at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
