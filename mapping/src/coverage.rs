//! What the sources hold and no column of the target uses.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Field;
use counterfoil_model::{Type, Value};

use crate::error::Problem;
use crate::input::Input;
use crate::reference::{Reference, Root};
use crate::rows::{Rows, View};

/// Paths below one root that are used; an empty one is the whole.
type Paths = Vec<Vec<String>>;

/// Fields that no reference uses, with the source's rows; of maps of which only parts are used, the other parts,
/// with the number of rows (or exploded elements) that have them.
pub(crate) fn unused(
    inputs: &[Input],
    rows: &[Rows],
    references: &[&Reference],
    explode: Option<&Reference>,
) -> Result<Vec<(String, u64)>, Problem> {
    let mut unused = Vec::new();
    for (source, input) in inputs.iter().enumerate() {
        for (position, field) in input.schema.fields().iter().enumerate() {
            if field.name().starts_with("__") {
                continue;
            }
            let used = paths(
                references.iter().copied().chain(explode),
                |root| matches!(root, Root::Field(positions) if positions[source] == Some(position)),
            );
            let name = format!("{}.{}", input.name, field.name());
            match used.is_empty() {
                true => unused.push((name, input.rows as u64)),
                false => unused.extend(parts_of_field(input, position, field, &name, &used)?),
            }
        }
    }
    if let Some(explode) = explode {
        for (source, (input, rows)) in inputs.iter().zip(rows).enumerate() {
            if matches!(&explode.root, Root::Field(positions) if positions[source].is_some()) {
                unused.extend(parts_of_items(input, rows, references, explode)?);
            }
        }
    }
    Ok(unused)
}

fn paths<'a>(references: impl Iterator<Item = &'a Reference>, wanted: impl Fn(&Root) -> bool) -> Paths {
    references.filter(|r| wanted(&r.root)).map(|r| r.path.clone()).collect()
}

fn parts_of_field(
    input: &Input,
    position: usize,
    field: &Field,
    name: &str,
    used: &Paths,
) -> Result<Vec<(String, u64)>, Problem> {
    if used.iter().any(Vec::is_empty) || Type::of(field) != Some(Type::Variant) {
        return Ok(Vec::new());
    }
    let column = input.column(position)?;
    let mut counts = Counts::new(name, used);
    (0..input.rows).for_each(|row| counts.add(&column.value(row)));
    Ok(counts.finish())
}

/// Parts of exploded elements, and of the elements whose lists were exploded.
fn parts_of_items(
    input: &Input,
    rows: &Rows,
    references: &[&Reference],
    explode: &Reference,
) -> Result<Vec<(String, u64)>, Problem> {
    let items = paths(references.iter().copied(), |root| *root == Root::Item);
    let mut parents = paths(references.iter().copied(), |root| *root == Root::ParentItem);
    let (last, above) = match explode.path.split_last() {
        Some((last, _)) => (last.clone(), explode.text[..explode.text.len() - last.len() - 1].to_owned()),
        None => (String::new(), String::new()),
    };
    parents.push(vec![last]);
    let view = View { inputs: std::slice::from_ref(input), rows: std::slice::from_ref(rows) };
    let mut unused = Vec::new();
    for (root, used, name) in [(Root::Item, &items, &explode.text), (Root::ParentItem, &parents, &above)] {
        let name = format!("{}.{name}[]", input.name);
        let mut counts = Counts::new(&name, used);
        view.each(&root, |value| counts.add(value))?;
        unused.extend(counts.finish());
    }
    Ok(unused)
}

/// Counts the parts of values that no used path reaches.
struct Counts<'a> {
    name: &'a str,
    used: &'a Paths,
    found: BTreeMap<String, u64>,
}

impl<'a> Counts<'a> {
    fn new(name: &'a str, used: &'a Paths) -> Self {
        Self { name, used, found: BTreeMap::new() }
    }

    fn add(&mut self, value: &Value) {
        let mut parts = BTreeSet::new();
        self.walk(value, &mut Vec::new(), &mut parts);
        for part in parts {
            *self.found.entry(part).or_default() += 1;
        }
    }

    fn walk(&self, value: &Value, path: &mut Vec<String>, parts: &mut BTreeSet<String>) {
        let covered = self.used.iter().any(|used| path.starts_with(used));
        if covered || value.is_null() {
            return;
        }
        let deeper: Vec<&Vec<String>> = self.used.iter().filter(|used| used.starts_with(path)).collect();
        let listed = deeper.iter().any(|used| used[path.len()].parse::<usize>().is_ok());
        match value {
            Value::Map(entries) if !deeper.is_empty() => {
                for (key, inner) in entries {
                    path.push(key.clone());
                    self.walk(inner, path, parts);
                    path.pop();
                }
            }
            Value::List(items) if listed => {
                for (index, inner) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.walk(inner, path, parts);
                    path.pop();
                }
            }
            // A list on the way of `explode`: its elements are looked at by themselves.
            Value::List(_) if !deeper.is_empty() => {}
            _ => {
                let below: Vec<&str> =
                    path.iter().map(|part| if part.parse::<usize>().is_ok() { "[]" } else { part }).collect();
                parts.insert(below.join("."));
            }
        }
    }

    fn finish(self) -> Vec<(String, u64)> {
        let name =
            |part: String| if part.is_empty() { self.name.into() } else { format!("{}.{part}", self.name) };
        self.found.into_iter().map(|(part, count)| (name(part), count)).collect()
    }
}
