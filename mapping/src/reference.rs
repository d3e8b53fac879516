//! Names in a plan and what they refer to: fields, paths into documents, and columns that mappings add.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;
use counterfoil_model::names;

use crate::error::Problem;

/// What a reference starts from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    /// A field: its position in each source, `None` where a source lacks it.
    Field(Vec<Option<usize>>),
    /// `__connection`: the name of the source's connection.
    Connection,
    /// `__item`: the exploded element.
    Item,
    /// `__index`: its position in its list.
    Index,
    /// `__parent_item`: the element whose list was exploded, one level up.
    ParentItem,
    /// `__parent_index`: that element's position.
    ParentIndex,
}

/// A field or a path into one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub root: Root,
    /// Map keys or list positions below the root.
    pub path: Vec<String>,
    /// The reference as the plan writes it.
    pub text: String,
}

impl Reference {
    /// The name of the root, without the path.
    pub(crate) fn root_text(&self) -> &str {
        let below: usize = self.path.iter().map(|p| p.len() + 1).sum();
        &self.text[..self.text.len() - below]
    }
}

/// The names that a mapping's expressions may use.
pub(crate) struct Scope {
    schemas: Vec<SchemaRef>,
    added: Vec<(&'static str, Root)>,
}

impl Scope {
    /// The fields of all sources. `levels` counts the lists that are exploded, one inside the other.
    pub(crate) fn new(schemas: Vec<SchemaRef>, connection: bool, exploded: bool) -> Self {
        let mut added = Vec::new();
        if connection {
            added.push(("__connection", Root::Connection));
        }
        if exploded {
            added.push(("__item", Root::Item));
            added.push(("__index", Root::Index));
            added.push(("__parent_item", Root::ParentItem));
            added.push(("__parent_index", Root::ParentIndex));
        }
        Self { schemas, added }
    }

    /// The positions of a field in each source; `None` if no source has it.
    pub(crate) fn field(&self, name: &str) -> Option<Root> {
        let positions: Vec<Option<usize>> = self.schemas.iter().map(|s| s.index_of(name).ok()).collect();
        positions.iter().any(Option::is_some).then_some(Root::Field(positions))
    }

    /// All fields of all sources, in order of first appearance.
    pub(crate) fn fields(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let all = self.schemas.iter().flat_map(|s| s.fields().iter().map(|f| f.name().clone()));
        all.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The schemas of the sources.
    pub(crate) fn schemas(&self) -> &[SchemaRef] {
        &self.schemas
    }

    /// What a dotted name refers to: the longest field name that it begins with, then a path.
    pub(crate) fn resolve(&self, parts: &[String]) -> Result<Reference, Problem> {
        let text = parts.join(".");
        for length in (1..=parts.len()).rev() {
            let name = parts[..length].join(".");
            let added = || self.added.iter().find(|(n, _)| *n == name).map(|(_, root)| root.clone());
            if let Some(root) = self.field(&name).or_else(added) {
                return Ok(Reference { root, path: parts[length..].to_vec(), text });
            }
        }
        Err(self.unknown(&parts[0]))
    }

    fn unknown(&self, name: &str) -> Problem {
        let fields = self.fields();
        let known = fields.iter().map(String::as_str).chain(self.added.iter().map(|(n, _)| *n));
        let problem = Problem::new(format!("unknown field '{name}'{}", names::suggestion(name, known)));
        match name {
            "__item" | "__index" | "__parent_item" | "__parent_index" => {
                problem.with_help(format!("'{name}' exists only with 'explode'"))
            }
            _ if fields.is_empty() => problem,
            _ => problem.with_help(format!("known fields: {}", shorten(&fields))),
        }
    }
}

/// The first names of a list, and how many more there are.
pub(crate) fn shorten(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}

/// Reads a text that is nothing but a name or a path: `createdAt`, `rect.x`, `answers.0.text`.
pub(crate) fn bare_parts(text: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    let word =
        |part: &String| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    let literal = ["true", "false", "null"].iter().any(|l| text.eq_ignore_ascii_case(l));
    let number = text.starts_with(|c: char| c.is_ascii_digit());
    (parts.iter().all(word) && !literal && !number).then_some(parts)
}
