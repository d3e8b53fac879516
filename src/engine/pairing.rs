//! Expected and actual, brought to one key and one order: the pair that validators look at.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_mapping::Expected;
use counterfoil_model::names::suggestion;
use counterfoil_model::pair::{ColumnPair, Identities, PairKey, TablePair, Unpaired};
use counterfoil_model::plan::{ColumnPlan, Defaults, TablePlan, Unicode};
use counterfoil_model::read::{self, Epoch};
use counterfoil_model::report::Pairing;
use counterfoil_model::{KeySpec, ReadAs, Table, TableFacts, Type};
use counterfoil_plan::Loaded;
use counterfoil_snapshots::{SnapshotTable, SnapshotWriter};
use jiff::tz::TimeZone;

use crate::error::Error;

/// What a pair is made of.
pub struct Parts<'a> {
    /// The plan, for errors at its lines.
    pub loaded: &'a Loaded,
    /// The table's plan.
    pub plan: &'a TablePlan,
    /// What the mapping says.
    pub expected: Expected,
    /// The target's snapshot of the table.
    pub actual: SnapshotTable,
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
    let facts = parts.actual.facts().clone();
    let actual_schema = parts.actual.schema();
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
    let schema = parts.actual.schema();
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
                || position(&parts.expected.batch.schema(), &name.value).is_none()
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
        if position(&parts.expected.batch.schema(), name).is_none() {
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
    let expected = parts.expected.batch.schema();
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
    let rows = parts.actual.rows();
    let schema = parts.actual.schema();
    for field in schema.fields() {
        let name = field.name();
        let mapped = position(&parts.expected.batch.schema(), name).is_some();
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
    let expected = write(parts, "expected", &parts.expected.batch, &expected_key)?;
    let in_order = parts.actual.key() == key.names && actual_key.read.iter().all(Option::is_none);
    let actual: Arc<dyn Table> = if in_order {
        Arc::new(SnapshotTable::open(parts.actual.folder(), parts.actual.manifest().clone())?)
    } else {
        let batch = parts.actual.read_all(None).map_err(|e| Error::other(e.to_string(), None))?;
        write(parts, "actual", &batch, &actual_key)?
    };
    let schema = actual.schema();
    let shown = key.shown.as_ref().map(|names| names.iter().filter_map(|n| position(&schema, n)).collect());
    let pair_key = PairKey { expected: expected_key, actual: actual_key, names: key.names.clone(), shown };
    Ok((expected, actual, Some(pair_key)))
}

/// For a bag only the compared columns count, in one order on both sides.
fn bags(parts: &Parts<'_>, columns: &mut [ColumnPair]) -> Result<Tables, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::other(e.to_string(), None);
    let pick = |batch: &RecordBatch, at: Vec<usize>| -> Result<RecordBatch, Error> {
        let fields: Vec<_> = at.iter().map(|i| batch.schema().field(*i).clone()).collect();
        let arrays = at.iter().map(|i| batch.column(*i).clone()).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| failed(&e))
    };
    if columns.is_empty() {
        let table = &parts.plan.name;
        let message = format!("no column of '{}' has a partner, so there is nothing to compare", table.value);
        return Err(at_line(parts.loaded, table.origin, message, Some("map some under 'columns'".into())));
    }
    let expected = pick(&parts.expected.batch, columns.iter().map(|c| c.expected).collect())?;
    let all = parts.actual.read_all(None).map_err(|e| failed(&e))?;
    let actual = pick(&all, columns.iter().map(|c| c.actual).collect())?;
    let key = KeySpec {
        columns: (0..columns.len()).collect(),
        read: columns.iter().map(|c| c.read).collect(),
        zone: parts.zone.clone(),
    };
    for (at, column) in columns.iter_mut().enumerate() {
        (column.expected, column.actual) = (at, at);
    }
    Ok((write(parts, "expected", &expected, &key)?, write(parts, "actual", &actual, &key)?))
}

fn write(parts: &Parts<'_>, side: &str, batch: &RecordBatch, key: &KeySpec) -> Result<Arc<dyn Table>, Error> {
    // Two files a table: the expected one, and the actual one where it needs another order.
    let number = parts.number * 2 + usize::from(side == "actual");
    let facts = TableFacts { kind: side.into(), ..TableFacts::default() };
    let name = &parts.plan.name.value;
    let batches = std::slice::from_ref(batch);
    let manifest = parts.writer.write_table(number, name, &batch.schema(), batches, Some(key), facts)?;
    Ok(Arc::new(SnapshotTable::open(parts.folder, manifest)?))
}

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
