//! Rows on their way from the sources to the expected table, and columns picked from them without any change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute;
use counterfoil_model::column::build;
use counterfoil_model::plan::Spanned;
use counterfoil_model::{ColumnBuilder, Type, Value, names, value_at};

use crate::error::{MappingError, Problem};
use crate::input::Input;
use crate::reference::{Reference, Root};

/// A canonical column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub kind: Type,
    pub array: ArrayRef,
}

impl Column {
    /// One cell.
    pub(crate) fn value(&self, row: usize) -> Value {
        value_at(self.array.as_ref(), self.kind, row)
    }

    /// All cells.
    pub(crate) fn values(&self) -> Vec<Value> {
        (0..self.array.len()).map(|row| self.value(row)).collect()
    }

    /// The rows at these positions.
    pub(crate) fn take(&self, rows: &UInt32Array) -> Result<Self, Problem> {
        Ok(Self { kind: self.kind, array: compute::take(self.array.as_ref(), rows, None)? })
    }

    fn of(builder: ColumnBuilder) -> Self {
        let (field, array) = builder.finish("");
        Self { kind: Type::of(&field).unwrap_or(Type::Null), array }
    }
}

/// An exploded element.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub value: Value,
    pub index: i64,
    pub parent: Option<(Arc<Value>, i64)>,
}

/// The rows of one source that are still in: positions in the source, and exploded elements.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub picks: Vec<u32>,
    /// One per pick where something was exploded, else empty.
    pub items: Vec<Item>,
}

impl Rows {
    /// All rows of a source.
    pub(crate) fn all(count: usize) -> Result<Self, Problem> {
        let count =
            u32::try_from(count).map_err(|_| Problem::new("more than 4,294,967,295 rows in one source"))?;
        Ok(Self { picks: (0..count).collect(), items: Vec::new() })
    }

    fn are_all(&self, input: &Input) -> bool {
        self.items.is_empty() && self.picks.len() == input.rows
    }
}

/// A reference, and the text of the plan that asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub reference: Reference,
    pub asker: Spanned<String>,
}

/// The rows of all sources, one source after the other.
pub(crate) struct View<'a> {
    pub inputs: &'a [Input],
    pub rows: &'a [Rows],
}

impl View<'_> {
    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.iter().map(|r| r.picks.len()).sum()
    }

    /// The columns that are referred to, in the same order.
    pub(crate) fn columns(&self, wanted: &[Wanted]) -> Result<Vec<Column>, MappingError> {
        let mut columns: Vec<Option<Column>> = vec![None; wanted.len()];
        let mut paths: BTreeMap<&Root, Vec<usize>> = BTreeMap::new();
        for (at, want) in wanted.iter().enumerate() {
            if want.reference.path.is_empty() {
                let column = self.whole(&want.reference.root).map_err(|p| p.at(&want.asker))?;
                columns[at] = Some(column);
            } else {
                paths.entry(&want.reference.root).or_default().push(at);
            }
        }
        for (root, places) in paths {
            let group: Vec<&Wanted> = places.iter().map(|at| &wanted[*at]).collect();
            for (at, column) in places.iter().zip(self.parts(root, &group)?) {
                columns[*at] = Some(column);
            }
        }
        Ok(columns.into_iter().flatten().collect())
    }

    fn whole(&self, root: &Root) -> Result<Column, Problem> {
        let Root::Field(positions) = root else { return Ok(self.added(root)) };
        let parts: Vec<Option<Column>> = positions
            .iter()
            .enumerate()
            .map(|(source, position)| position.map(|p| self.picked(source, p)).transpose())
            .collect::<Result<_, _>>()?;
        let kinds: BTreeSet<String> =
            parts.iter().flatten().filter(|c| c.kind != Type::Null).map(|c| c.kind.to_string()).collect();
        let kind = parts.iter().flatten().map(|c| c.kind).find(|k| *k != Type::Null).unwrap_or(Type::Null);
        if kinds.len() <= 1 { self.stacked(kind, &parts) } else { Ok(self.unified(&parts)) }
    }

    /// The parts one below the other; they have one type, or are missing, or know no type but null.
    fn stacked(&self, kind: Type, parts: &[Option<Column>]) -> Result<Column, Problem> {
        let arrays: Vec<ArrayRef> = parts
            .iter()
            .zip(self.rows)
            .map(|(part, rows)| match part {
                Some(column) if column.kind == kind => column.array.clone(),
                _ => build(kind, &vec![Value::Null; rows.picks.len()]),
            })
            .collect();
        let array = match arrays.as_slice() {
            [one] => one.clone(),
            many => compute::concat(&many.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?,
        };
        Ok(Column { kind, array })
    }

    /// The parts in the one type that holds the values of all of them.
    fn unified(&self, parts: &[Option<Column>]) -> Column {
        let mut builder = ColumnBuilder::new();
        for (part, rows) in parts.iter().zip(self.rows) {
            (0..rows.picks.len())
                .for_each(|row| builder.push(part.as_ref().map_or(Value::Null, |c| c.value(row))));
        }
        Column::of(builder)
    }

    fn picked(&self, source: usize, position: usize) -> Result<Column, Problem> {
        let (input, rows) = (&self.inputs[source], &self.rows[source]);
        let column = input.column(position)?;
        if rows.are_all(input) {
            return Ok(column);
        }
        column.take(&UInt32Array::from(rows.picks.clone()))
    }

    fn added(&self, root: &Root) -> Column {
        let mut builder = ColumnBuilder::new();
        for (input, rows) in self.inputs.iter().zip(self.rows) {
            for row in 0..rows.picks.len() {
                builder.push(match (root, rows.items.get(row)) {
                    (Root::Connection, _) => Value::Text(input.connection.clone()),
                    (Root::Item, Some(item)) => item.value.clone(),
                    (Root::Index, Some(item)) => Value::Int(item.index),
                    (Root::ParentItem, Some(Item { parent: Some((value, _)), .. })) => value.as_ref().clone(),
                    (Root::ParentIndex, Some(Item { parent: Some((_, index)), .. })) => Value::Int(*index),
                    _ => Value::Null,
                });
            }
        }
        Column::of(builder)
    }

    /// Several paths below one root, each value decoded once.
    fn parts(&self, root: &Root, group: &[&Wanted]) -> Result<Vec<Column>, MappingError> {
        let mut builders: Vec<ColumnBuilder> = group.iter().map(|_| ColumnBuilder::new()).collect();
        let mut found = vec![false; group.len()];
        let paths: Vec<Vec<&str>> =
            group.iter().map(|w| w.reference.path.iter().map(String::as_str).collect()).collect();
        self.each(root, |value| {
            for (at, path) in paths.iter().enumerate() {
                let part = descend(value, path);
                found[at] |= part.is_some();
                builders[at].push(part.unwrap_or(Value::Null));
            }
        })
        .map_err(|p| p.at(&group[0].asker))?;
        match found.iter().position(|f| !f) {
            Some(at) if self.count() > 0 => Err(self.no_such_path(root, group[at])),
            _ => Ok(builders.into_iter().map(Column::of).collect()),
        }
    }

    /// Calls `visit` with the root's value in every row.
    pub(crate) fn each(&self, root: &Root, mut visit: impl FnMut(&Value)) -> Result<(), Problem> {
        for (source, (input, rows)) in self.inputs.iter().zip(self.rows).enumerate() {
            let column = match root {
                Root::Field(positions) => positions[source].map(|p| input.column(p)).transpose()?,
                _ => None,
            };
            for (row, pick) in rows.picks.iter().enumerate() {
                match (&column, root, rows.items.get(row)) {
                    (Some(column), _, _) => visit(&column.value(*pick as usize)),
                    (None, Root::Item, Some(item)) => visit(&item.value),
                    (None, Root::ParentItem, Some(Item { parent: Some((value, _)), .. })) => visit(value),
                    _ => visit(&Value::Null),
                }
            }
        }
        Ok(())
    }

    fn no_such_path(&self, root: &Root, wanted: &Wanted) -> MappingError {
        let path: Vec<&str> = wanted.reference.path.iter().map(String::as_str).collect();
        let mut keys: Vec<BTreeSet<String>> = vec![BTreeSet::new(); path.len()];
        let mut types = BTreeSet::new();
        let looked = self.each(root, |value| {
            types.extend((!value.is_null()).then(|| value.type_name()));
            for depth in 0..path.len() {
                if let Some(Value::Map(entries)) = descend(value, &path[..depth]) {
                    keys[depth].extend(entries.into_iter().map(|(key, _)| key));
                }
            }
        });
        if let Err(problem) = looked {
            return problem.at(&wanted.asker);
        }
        let depth = (0..path.len()).find(|d| !keys[*d].contains(path[*d])).unwrap_or(0);
        let root_text = wanted.reference.root_text();
        let known = &keys[depth];
        let hint = names::suggestion(path[depth], known.iter().map(String::as_str));
        let error = MappingError::at(
            &wanted.asker,
            format!("no row has '{}' in '{root_text}'{hint}", path.join(".")),
        );
        if known.is_empty() {
            let types: Vec<&str> = types.into_iter().collect();
            let held = if types.is_empty() { "nulls only".into() } else { types.join(", ") };
            return error.with_help(format!("'{root_text}' holds {held}"));
        }
        let known: Vec<String> = known.iter().cloned().collect();
        error.with_help(format!("known there: {}", crate::reference::shorten(&known)))
    }
}

/// The value at a path; geopoints have `latitude` and `longitude`.
pub(crate) fn descend(value: &Value, path: &[&str]) -> Option<Value> {
    match (value.at_path(path), path.split_last()) {
        (Some(found), _) => Some(found.clone()),
        (None, Some((last, above))) => match (value.at_path(above)?, *last) {
            (Value::Geo(latitude, _), "latitude") => Some(Value::Float(*latitude)),
            (Value::Geo(_, longitude), "longitude") => Some(Value::Float(*longitude)),
            _ => None,
        },
        (None, None) => None,
    }
}
