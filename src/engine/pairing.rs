//! Expected and actual, brought to one key and one order: the pair that validators look at.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_mapping::Expected;
use counterfoil_model::key::Ends;
use counterfoil_model::names::suggestion;
use counterfoil_model::pair::{ColumnPair, Identities, PairKey, TablePair, Unpaired};
use counterfoil_model::plan::{ColumnPlan, Defaults, TablePlan, Unicode};
use counterfoil_model::read::{self, Epoch};
use counterfoil_model::report::Pairing;
use counterfoil_model::{KeySpec, ReadAs, Table, TableFacts, Type};
use counterfoil_plan::Loaded;
use counterfoil_snapshots::{NewTable, SnapshotTable, SnapshotWriter, from_row};
use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::view::Seen;
use crate::error::Error;

/// What a pair is made of.
pub struct Parts<'a> {
    /// The plan, for errors at its lines.
    pub loaded: &'a Loaded,
    /// The table's plan.
    pub plan: &'a TablePlan,
    /// What the mapping says.
    pub expected: Expected,
    /// The target's table.
    pub actual: Seen,
    /// Settings for all tables.
    pub defaults: &'a Defaults,
    /// The zone of times that have none.
    pub zone: &'a TimeZone,
    /// Where expected tables are written, and actual ones that need another order.
    pub writer: &'a SnapshotWriter,
    /// The writer's folder.
    pub folder: &'a Path,
    /// The table's number, for file names.
    pub number: usize,
    /// Every field of every source, as `connection.table.field`.
    pub source_fields: BTreeSet<String>,
}

/// A pair, with what the report says about it.
pub struct Paired {
    /// The pair.
    pub pair: TablePair,
    /// Every pairing of columns.
    pub pairings: Vec<Pairing>,
    /// The key's columns as findings show them.
    pub shown_key: Vec<String>,
    /// Every field of every source, as `connection.table.field`.
    pub source_fields: BTreeSet<String>,
}

/// Makes the pair of a table.
///
/// # Errors
/// Where the key doesn't exist or isn't mapped, or the disk refuses.
pub fn pair(parts: Parts<'_>) -> Result<Paired, Error> {
    let facts = parts.actual.facts.clone();
    let actual_schema = parts.actual.table.schema();
    let key = key_names(&parts, &facts)?;
    let mut columns = column_pairs(&parts, &facts, &actual_schema, key.as_ref().map(|k| k.names.as_slice()));
    let pairings = pairings(&parts, &columns);
    let unpaired = unpaired(&parts);
    let (expected, actual, pair_key) = match &key {
        Some(key) => keyed(&parts, &columns, key)?,
        None => {
            let (expected, actual) = bags(&parts, &mut columns)?;
            (expected, actual, None)
        }
    };
    let identities = identities(&parts, expected.as_ref(), actual.as_ref())?;
    let shown_key = key.map(|k| k.shown.unwrap_or(k.names)).unwrap_or_default();
    let mut lineage = parts.expected.lineage;
    lineage.origins.clear();
    let pair = TablePair {
        name: parts.plan.name.value.clone(),
        expected,
        actual,
        columns,
        key: pair_key,
        unpaired,
        facts,
        lineage,
        identities,
        zone: parts.zone.clone(),
        allow_empty: parts.plan.allow_empty,
        counts_unknown: None,
    };
    Ok(Paired { pair, pairings, shown_key, source_fields: parts.source_fields })
}

/// The columns by which rows pair, and those that findings show where they differ.
struct Key {
    names: Vec<String>,
    shown: Option<Vec<String>>,
}

fn key_names(parts: &Parts<'_>, facts: &TableFacts) -> Result<Option<Key>, Error> {
    let plan = parts.plan;
    let schema = parts.actual.table.schema();
    let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let mut declared = facts.primary_key.clone();
    let mut origin = plan.name.origin;
    if let Some(key) = &plan.key {
        for name in key {
            origin = name.origin;
            if !known.contains(&name.value.as_str()) {
                let hint = suggestion(&name.value, known.iter().copied());
                let message = format!("table '{}' has no column '{}'{hint}", plan.name.value, name.value);
                return Err(at_line(parts.loaded, name.origin, message, None));
            }
        }
        declared = key.iter().map(|k| k.value.clone()).collect();
    }
    if !plan.match_columns.is_empty() {
        for name in &plan.match_columns {
            if !known.contains(&name.value.as_str())
                || position(&parts.expected.rows.schema(), &name.value).is_none()
            {
                let hint = suggestion(&name.value, known.iter().copied());
                let message = format!(
                    "'match' names '{}', which is no mapped column of '{}'{hint}",
                    name.value, plan.name.value
                );
                return Err(at_line(parts.loaded, name.origin, message, None));
            }
        }
        let names = plan.match_columns.iter().map(|m| m.value.clone()).collect();
        return Ok(Some(Key { names, shown: Some(declared).filter(|d| !d.is_empty()) }));
    }
    if declared.is_empty() {
        return Ok(None);
    }
    for name in &declared {
        if position(&parts.expected.rows.schema(), name).is_none() {
            let message = format!(
                "key column '{name}' of '{}' is not mapped, so rows can't pair by it",
                plan.name.value
            );
            let help = "map it under 'columns', pair rows by another column with 'key:' or 'match:', or compare as a bag with 'key: []'";
            return Err(at_line(parts.loaded, origin, message, Some(help.into())));
        }
    }
    Ok(Some(Key { names: declared, shown: None }))
}

fn at_line(
    loaded: &Loaded,
    origin: counterfoil_model::plan::Origin,
    message: String,
    help: Option<String>,
) -> Error {
    Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(loaded, origin, message, help)))
}

fn position(schema: &SchemaRef, name: &str) -> Option<usize> {
    schema.fields().iter().position(|f| f.name() == name)
}

fn column_pairs(
    parts: &Parts<'_>,
    facts: &TableFacts,
    actual: &SchemaRef,
    key: Option<&[String]>,
) -> Vec<ColumnPair> {
    let expected = parts.expected.rows.schema();
    let mut pairs = Vec::new();
    for (actual_at, field) in actual.fields().iter().enumerate() {
        let name = field.name();
        let Some(expected_at) = position(&expected, name) else { continue };
        let in_key = key.is_some_and(|k| k.contains(name));
        if !in_key && ignored(parts.plan, name).is_some() {
            continue;
        }
        let kind = |f: &arrow::datatypes::Field| Type::of(f).unwrap_or(Type::Null);
        let (expected_type, actual_type) = (kind(expected.field(expected_at)), kind(field));
        let plan = parts.plan.columns.iter().find(|c| c.name.value == *name);
        let by_plan = plan.and_then(|p| p.read.as_ref()).map(|r| r.value);
        let declared = facts.column(name).and_then(|c| c.declared.as_deref()).and_then(read::declared);
        let read = by_plan.or_else(|| deduce(expected_type, actual_type, declared));
        let mut settings = plan.map(|p| p.settings.clone()).unwrap_or_default();
        if parts.defaults.unicode == Unicode::Nfc {
            settings.unicode = Unicode::Nfc;
        }
        pairs.push(ColumnPair {
            name: name.clone(),
            expected: expected_at,
            actual: actual_at,
            expected_type,
            actual_type,
            read,
            read_by_plan: by_plan.is_some(),
            settings,
            null_vs_empty: parts.defaults.null_vs_empty,
            in_key,
        });
    }
    pairs
}

/// The type in which both sides are read where the plan doesn't say: the one that the target declares, or, for a
/// target that holds text, the one that the source's values have (DESIGN: one side declared, the other text).
fn deduce(expected: Type, actual: Type, declared: Option<ReadAs>) -> Option<ReadAs> {
    let natural = match expected {
        Type::Timestamp | Type::LocalTimestamp => Some(ReadAs::Timestamp(Epoch::None)),
        Type::Date => Some(ReadAs::Date),
        Type::Time => Some(ReadAs::Time),
        Type::Uuid => Some(ReadAs::Uuid),
        Type::Json => Some(ReadAs::Json),
        Type::Decimal { precision, scale } => {
            u8::try_from(scale).ok().map(|_| ReadAs::Decimal(Some((precision, scale))))
        }
        _ => None,
    };
    let loose = matches!(actual, Type::Text | Type::Variant);
    match declared {
        Some(ReadAs::Timestamp(_)) if expected == Type::Date => Some(ReadAs::Timestamp(Epoch::None)),
        Some(read) => Some(read).filter(|_| expected != actual || !native(actual)),
        None => natural.filter(|_| loose),
    }
}

/// Whether values of this type need no reading: the database enforces the type.
fn native(kind: Type) -> bool {
    matches!(
        kind,
        Type::Timestamp
            | Type::LocalTimestamp
            | Type::Date
            | Type::Time
            | Type::Uuid
            | Type::Decimal { .. }
            | Type::Bool
    )
}

fn ignored<'a>(plan: &'a TablePlan, name: &str) -> Option<&'a str> {
    plan.ignore.iter().find(|i| i.name.value == name).map(|i| i.reason.as_str())
}

fn unpaired(parts: &Parts<'_>) -> Vec<Unpaired> {
    let mut all = Vec::new();
    for (column, rows) in &parts.expected.unmapped_source {
        // `connection.table.field`, where the field may itself hold dots.
        let field = parts
            .expected
            .lineage
            .sources
            .iter()
            .find_map(|s| column.strip_prefix(&s.source).and_then(|rest| rest.strip_prefix('.')))
            .unwrap_or(column);
        let reason = ignored(parts.plan, field).or_else(|| ignored(parts.plan, column));
        all.push(Unpaired {
            column: column.clone(),
            in_target: false,
            cells: *rows,
            reason: reason.map_or_else(|| "no target column takes this source field".into(), str::to_owned),
            ignored: reason.is_some(),
        });
    }
    let rows = parts.actual.table.rows();
    let schema = parts.actual.table.schema();
    for field in schema.fields() {
        let name = field.name();
        let mapped = position(&parts.expected.rows.schema(), name).is_some();
        let surrogate = parts.plan.columns.iter().any(|c| c.surrogate && c.name.value == *name);
        let reason = ignored(parts.plan, name);
        if surrogate || (mapped && reason.is_none()) {
            continue;
        }
        all.push(Unpaired {
            column: name.clone(),
            in_target: true,
            cells: rows,
            reason: reason.map_or_else(
                || "nothing in the plan says what this column should hold".into(),
                str::to_owned,
            ),
            ignored: reason.is_some(),
        });
    }
    all
}

fn pairings(parts: &Parts<'_>, columns: &[ColumnPair]) -> Vec<Pairing> {
    let mapped = parts.expected.mapped.iter();
    mapped
        .map(|m| {
            let pair = columns.iter().find(|c| c.name == m.column);
            let plan = parts.plan.columns.iter().find(|c| c.name.value == m.column);
            Pairing {
                column: m.column.clone(),
                from: m.from.clone(),
                by: m.by.as_str().into(),
                read_as: pair.and_then(|p| p.read).map(|r| r.to_string()),
                tolerances: pair.map(|p| tolerances(p, plan)).unwrap_or_default(),
            }
        })
        .collect()
}

fn tolerances(pair: &ColumnPair, plan: Option<&ColumnPlan>) -> Vec<String> {
    let mut all = Vec::new();
    let settings = &pair.settings;
    if settings.trim {
        all.push("trim".into());
    }
    if settings.ignore_case {
        all.push("case: insensitive".into());
    }
    if settings.unicode == Unicode::Nfc {
        all.push("unicode: nfc".into());
    }
    if let Some(tolerance) = settings.tolerance {
        all.push(format!("tolerance: {tolerance}"));
    }
    if pair.null_vs_empty == counterfoil_model::plan::NullVsEmpty::Equal {
        all.push("null_vs_empty: equal".into());
    }
    if let Some(references) = plan.and_then(|p| p.references.as_ref()) {
        all.push(format!("references: {}", references.value));
    }
    all
}

type Tables = (Arc<dyn Table>, Arc<dyn Table>);
/// Both tables and the key that orders them.
type Keyed = (Arc<dyn Table>, Arc<dyn Table>, Option<PairKey>);

fn keyed(parts: &Parts<'_>, columns: &[ColumnPair], key: &Key) -> Result<Keyed, Error> {
    let pairs: Vec<&ColumnPair> =
        key.names.iter().filter_map(|n| columns.iter().find(|c| c.name == *n)).collect();
    let spec = |at: fn(&ColumnPair) -> usize| KeySpec {
        columns: pairs.iter().map(|p| at(p)).collect(),
        read: pairs.iter().map(|p| p.read).collect(),
        zone: parts.zone.clone(),
    };
    let (expected_key, actual_key) = (spec(|p| p.expected), spec(|p| p.actual));
    let derived = parts.expected.rows.table(&parts.plan.name.value);
    let stored = parts.actual.table.clone();
    let (expected, actual) = rayon::join(
        || ordered(parts, Side::Expected, derived, &expected_key),
        || ordered(parts, Side::Actual, stored, &actual_key),
    );
    let (expected, actual) = (expected?, actual?);
    let schema = actual.schema();
    let shown = key.shown.as_ref().map(|names| names.iter().filter_map(|n| position(&schema, n)).collect());
    let pair_key = PairKey { expected: expected_key, actual: actual_key, names: key.names.clone(), shown };
    Ok((expected, actual, Some(pair_key)))
}

/// For a bag only the compared columns count, in one order on both sides.
fn bags(parts: &Parts<'_>, columns: &mut [ColumnPair]) -> Result<Tables, Error> {
    if columns.is_empty() {
        let table = &parts.plan.name;
        let message = format!("no column of '{}' has a partner, so there is nothing to compare", table.value);
        return Err(at_line(parts.loaded, table.origin, message, Some("map some under 'columns'".into())));
    }
    let (expected_at, actual_at): (Vec<usize>, Vec<usize>) =
        columns.iter().map(|c| (c.expected, c.actual)).unzip();
    let key = KeySpec {
        columns: (0..columns.len()).collect(),
        read: columns.iter().map(|c| c.read).collect(),
        zone: parts.zone.clone(),
    };
    for (at, column) in columns.iter_mut().enumerate() {
        (column.expected, column.actual) = (at, at);
    }
    let expected = parts.expected.rows.table(&parts.plan.name.value);
    Ok((
        write(parts, Side::Expected, expected.as_ref(), &expected_at, &key)?,
        write(parts, Side::Actual, parts.actual.table.as_ref(), &actual_at, &key)?,
    ))
}

/// The two tables of a pair.
#[derive(Clone, Copy, Debug)]
enum Side {
    Expected,
    Actual,
}

/// The table in the order of a key: itself where it stands in that order, else an ordered copy.
fn ordered(
    parts: &Parts<'_>,
    side: Side,
    table: Arc<dyn Table>,
    key: &KeySpec,
) -> Result<Arc<dyn Table>, Error> {
    let as_is = key.read.iter().all(Option::is_none);
    if as_is && table.ordered_by() == key.columns {
        return Ok(table);
    }
    // A single batch in memory goes to disk, so that the memory is free again.
    if table.chunks() > 1 && stands_in_order(table.as_ref(), key)? {
        return Ok(table);
    }
    let all: Vec<usize> = (0..table.schema().fields().len()).collect();
    write(parts, side, table.as_ref(), &all, key)
}

/// Whether each key is greater than the one before. Only the key's columns are read, and only as far as it holds.
fn stands_in_order(table: &dyn Table, key: &KeySpec) -> Result<bool, Error> {
    let mut columns = key.columns.clone();
    columns.sort_unstable();
    columns.dedup();
    let place = |c: &usize| columns.binary_search(c).unwrap_or(0);
    let spec = KeySpec { columns: key.columns.iter().map(place).collect(), ..key.clone() };
    let ends = |chunk: usize| {
        let batch = table.read(chunk, Some(&columns)).map_err(|e| Error::other(e.to_string(), None))?;
        Ok(spec.ends_if_ascending(&batch))
    };
    let mut last: Vec<u8> = Vec::new();
    let mut chunk = 0;
    while chunk < table.chunks() {
        // The first chunk alone: what isn't in order mostly shows there.
        let until = if chunk == 0 { 1 } else { (chunk + CHUNKS_AT_ONCE).min(table.chunks()) };
        let read: Vec<Option<Ends>> =
            (chunk..until).into_par_iter().map(ends).collect::<Result<_, Error>>()?;
        for ends in read {
            match ends {
                Some(Ends::Empty) => {}
                Some(Ends::Keys { first, last: next }) if last.is_empty() || last < first => last = next,
                _ => return Ok(false),
            }
        }
        chunk = until;
    }
    Ok(true)
}

/// Chunks whose keys are in memory at once.
const CHUNKS_AT_ONCE: usize = 16;

/// Some columns of a table, ordered by a key, on disk.
fn write(
    parts: &Parts<'_>,
    side: Side,
    table: &dyn Table,
    columns: &[usize],
    key: &KeySpec,
) -> Result<Arc<dyn Table>, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::other(e.to_string(), None);
    // Two files a table: the expected one, and the actual one where it needs another order.
    let number = parts.number * 2 + side as usize;
    let kind = match side {
        Side::Expected => "expected",
        Side::Actual => "actual",
    };
    let schema = Arc::new(table.schema().project(columns).map_err(|e| failed(&e))?);
    let mut sorted = columns.to_vec();
    sorted.sort_unstable();
    let rows = (0..table.chunks()).flat_map(|chunk| {
        // Columns are read in the table's order, and stand in that of the pair.
        let read = table.read(chunk, Some(&sorted)).map_err(|e| failed(&e)).and_then(|batch| {
            let places: Vec<usize> = columns.iter().filter_map(|c| sorted.binary_search(c).ok()).collect();
            batch.project(&places).map_err(|e| failed(&e))
        });
        let slices: Vec<Result<RecordBatch, Error>> = match read {
            Ok(batch) => {
                let rows = batch.num_rows();
                let slice = |at| Ok(batch.slice(at, SLICE_ROWS.min(rows - at)));
                (0..rows).step_by(SLICE_ROWS).map(slice).collect()
            }
            Err(error) => vec![Err(error)],
        };
        slices
    });
    let facts = TableFacts { kind: kind.into(), ..TableFacts::default() };
    let new = NewTable { number, name: &parts.plan.name.value, schema, key: Some(key), facts };
    let manifest = parts.writer.write_table(new, |from| from_row(rows, from))?;
    Ok(Arc::new(SnapshotTable::open(parts.folder, manifest)?))
}

/// Rows that are given to the store at once.
const SLICE_ROWS: usize = 8_192;

fn identities(
    parts: &Parts<'_>,
    expected: &dyn Table,
    actual: &dyn Table,
) -> Result<Option<Identities>, Error> {
    let Some(dedup) = &parts.plan.dedup else { return Ok(None) };
    let of = |table: &dyn Table| -> Result<Vec<counterfoil_model::Value>, Error> {
        let batch = table.read_all(None).map_err(|e| Error::other(e.to_string(), None))?;
        counterfoil_mapping::evaluate(&dedup.by, &batch)
            .map_err(|e| at_line(parts.loaded, e.origin, e.message, e.help))
    };
    let sources = parts.expected.identities.as_ref().map(|i| i.sources.clone()).unwrap_or_default();
    Ok(Some(Identities { expected: of(expected)?, actual: of(actual)?, sources }))
}
