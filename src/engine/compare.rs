//! From the views of all connections to pairs of tables: derive what each table should hold, and pair it with what it
//! holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use counterfoil_mapping::{Expected, Request, Source};
use counterfoil_model::pair::Pairs;
use counterfoil_model::plan::{Plan, TablePlan};
use counterfoil_model::report::Pairing;
use counterfoil_plan::Loaded;
use counterfoil_snapshots::{MemoryBudget, SnapshotWriter};
use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::view::{Seen, View};
use super::{Options, coverage, pairing, references};
use crate::error::Error;

/// What comparing the tables needs and gives.
pub struct Compared {
    /// All pairs by table.
    pub pairs: Pairs,
    /// What the report says of each.
    pub tables: BTreeMap<String, TableFacts>,
}

/// What the report says about a table beside its outcomes.
pub struct TableFacts {
    /// Every pairing of columns.
    pub pairings: Vec<Pairing>,
    /// The key's columns as findings show them.
    pub shown_key: Vec<String>,
}

/// Derives every expected table, translates references, and pairs it with the actual one. Tables that others
/// refer to come first; every expected table goes to disk as soon as it is done.
///
/// # Errors
/// Where the mapping is wrong, or a table can't be read or written.
pub fn tables(
    loaded: &Loaded,
    views: &BTreeMap<String, View>,
    scratch: &Path,
    options: &Options,
) -> Result<Compared, Error> {
    let plan = &loaded.plan;
    let sources = sources(plan, views);
    let zone = zone(loaded)?;
    let folder = scratch.join("expected");
    let writer = SnapshotWriter::resume(&folder, &options.memory)?;
    let bar = options.progress.bar("Deriving", plan.tables.len() as u64);
    let referenced: BTreeSet<&str> = plan
        .tables
        .iter()
        .flat_map(|t| &t.columns)
        .filter_map(|c| c.references.as_ref())
        .map(|r| r.value.as_str())
        .collect();
    // Where ids are followed from table to table, each row's origin has to be known.
    let direct = |table: &TablePlan| {
        !referenced.contains(table.name.value.as_str())
            && table.columns.iter().all(|c| c.references.is_none())
    };
    let mut relations = BTreeMap::new();
    let mut waiting: BTreeMap<usize, Expected> = BTreeMap::new();
    for (number, table) in plan.tables.iter().enumerate() {
        if referenced.contains(table.name.value.as_str()) {
            let expected = derive(loaded, table, &sources, views, direct(table), &options.memory)?;
            let actual = actual(plan, table, views)?;
            let id = id_column(loaded, table, &actual)?;
            let relation = references::Relation::learn(table, &expected, actual.table.as_ref(), &id)
                .map_err(|e| Error::other(e.to_string(), None))?;
            relations.insert(table.name.value.clone(), relation);
            waiting.insert(number, expected);
        }
    }
    let waiting = std::sync::Mutex::new(waiting);
    let needed = |table: &TablePlan| {
        let actual = actual(plan, table, views)?;
        let request = request(loaded, table, &sources, &actual, direct(table));
        counterfoil_mapping::memory_needed(&request).map_err(|e| at_table(loaded, table, e))
    };
    let needed: Vec<u64> = plan.tables.par_iter().map(needed).collect::<Result<_, _>>()?;
    let pair = |number: usize| {
        let table = &plan.tables[number];
        let ready = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&number);
        let mut expected = match ready {
            Some(expected) => expected,
            None => derive(loaded, table, &sources, views, direct(table), &options.memory)?,
        };
        for column in &table.columns {
            if let Some(relation) = column.references.as_ref().and_then(|r| relations.get(&r.value)) {
                references::translate(&mut expected, &column.name.value, relation)
                    .map_err(|e| Error::other(e.to_string(), None))?;
            }
        }
        let paired = pairing::pair(pairing::Parts {
            loaded,
            plan: table,
            expected,
            actual: actual(plan, table, views)?,
            defaults: &plan.defaults,
            zone: &zone,
            writer: &writer,
            folder: &folder,
            number,
            source_fields: source_fields(table, &sources),
        })?;
        bar.inc(1);
        Ok((table.name.value.clone(), paired))
    };
    let mut paired: Vec<(String, pairing::Paired)> = Vec::new();
    for group in groups(&needed, options.memory.limit() as u64) {
        paired.extend(group.into_par_iter().map(pair).collect::<Result<Vec<_>, Error>>()?);
    }
    bar.finish_and_clear();
    drop_fields_taken_elsewhere(&mut paired);
    let mut compared = Compared { pairs: Pairs::new(), tables: BTreeMap::new() };
    for (name, paired) in paired {
        compared.pairs.insert(name.clone(), Arc::new(paired.pair));
        compared.tables.insert(name, TableFacts { pairings: paired.pairings, shown_key: paired.shown_key });
    }
    Ok(compared)
}

/// Every field of every source of a table, as `connection.table.field`.
fn source_fields(table: &TablePlan, sources: &BTreeMap<String, Source>) -> BTreeSet<String> {
    let own = sources.iter().filter(|(name, _)| coverage::uses(table, name));
    own.flat_map(|(name, s)| s.facts.columns.iter().map(move |c| format!("{name}.{}", c.name))).collect()
}

/// A source field that another table of the plan takes from the same source is not unseen.
fn drop_fields_taken_elsewhere(paired: &mut [(String, pairing::Paired)]) {
    let mut taken = BTreeSet::new();
    for (_, paired) in paired.iter() {
        let open: BTreeSet<&str> = paired.pair.unpaired.iter().map(|u| u.column.as_str()).collect();
        let fields = paired.source_fields.iter().filter(|f| !open.contains(f.as_str()));
        taken.extend(fields.cloned());
    }
    for (_, paired) in paired.iter_mut() {
        paired.pair.unpaired.retain(|u| u.in_target || u.ignored || !taken.contains(&u.column));
    }
}

fn zone(loaded: &Loaded) -> Result<TimeZone, Error> {
    let Some(name) = &loaded.plan.defaults.timezone else { return Ok(TimeZone::UTC) };
    TimeZone::get(&name.value).map_err(|_| {
        let message = format!("unknown time zone '{}'", name.value);
        let help = Some("use an IANA name such as UTC, Europe/Berlin or Asia/Kolkata".into());
        Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(loaded, name.origin, message, help)))
    })
}

fn sources(plan: &Plan, views: &BTreeMap<String, View>) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    for (connection, view) in views {
        for (name, seen) in view.tables() {
            let full = format!("{connection}.{name}");
            if plan.tables.iter().any(|t| coverage::uses(t, &full)) {
                let (table, facts) = (seen.table.clone(), seen.facts.clone());
                sources.insert(full, Source { connection: connection.clone(), facts, table });
            }
        }
    }
    sources
}

fn derive(
    loaded: &Loaded,
    table: &TablePlan,
    sources: &BTreeMap<String, Source>,
    views: &BTreeMap<String, View>,
    direct: bool,
    memory: &MemoryBudget,
) -> Result<Expected, Error> {
    let actual = actual(&loaded.plan, table, views)?;
    let request = request(loaded, table, sources, &actual, direct);
    let request = Request { memory: Some(memory.limit()), ..request };
    counterfoil_mapping::derive(&request).map_err(|e| at_table(loaded, table, e))
}

fn request<'a>(
    loaded: &'a Loaded,
    table: &'a TablePlan,
    sources: &'a BTreeMap<String, Source>,
    actual: &'a Seen,
    direct: bool,
) -> Request<'a> {
    let (target, defaults) = (Some(&actual.facts), &loaded.plan.defaults);
    Request { plan: table, sources, target, defaults, direct, memory: None }
}

fn at_table(loaded: &Loaded, table: &TablePlan, error: counterfoil_mapping::MappingError) -> Error {
    let message = format!("table '{}': {}", table.name.value, error.message);
    Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(loaded, error.origin, message, error.help)))
}

/// Tables one after the other, as many at once as there is memory for what their mappings need.
fn groups(needed: &[u64], limit: u64) -> Vec<std::ops::Range<usize>> {
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    let mut held = 0_u64;
    for (number, needed) in needed.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if held.saturating_add(*needed) <= limit => {
                group.end = number + 1;
                held += needed;
            }
            _ => {
                groups.push(number..number + 1);
                held = *needed;
            }
        }
    }
    groups
}

fn actual(plan: &Plan, table: &TablePlan, views: &BTreeMap<String, View>) -> Result<Seen, Error> {
    let name = &table.name.value;
    let seen = views.get(&plan.target.value).and_then(|view| view.table(name));
    seen.cloned().ok_or_else(|| Error::other(format!("the target has no table '{name}'"), None))
}

/// The one column that identifies a row of a table that others refer to.
fn id_column(loaded: &Loaded, table: &TablePlan, actual: &Seen) -> Result<String, Error> {
    let surrogate = table.columns.iter().find(|c| c.surrogate).map(|c| c.name.value.clone());
    let key = table.key.as_ref().map(|k| k.iter().map(|c| c.value.clone()).collect::<Vec<_>>());
    let key = key.unwrap_or_else(|| actual.facts.primary_key.clone());
    match (surrogate, key.as_slice()) {
        (Some(id), _) => Ok(id),
        (None, [id]) => Ok(id.clone()),
        (None, _) => {
            let message =
                format!("other tables refer to '{}', which has no key of one column", table.name.value);
            Err(Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(
                loaded,
                table.name.origin,
                message,
                None,
            ))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_derived_together_as_far_as_memory_goes() {
        assert_eq!(groups(&[1, 2, 3, 0, 9, 0], 6), vec![0..4, 4..5, 5..6]);
        assert_eq!(groups(&[0; 5], 0), vec![0..5]);
        assert!(groups(&[], 6).is_empty());
    }
}
