//! The run engine: snapshot, derive, compare, gate, report. One direction; each stage gets plain data from the
//! one before it.

mod checks;
mod coverage;
pub mod differences;
mod gate;
mod log;
mod mask;
mod pairing;
mod progress;
mod references;
mod take;
mod waivers;
pub mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use counterfoil_connectors::Connector;
use counterfoil_mapping::{Expected, Request, Source};
use counterfoil_model::key;
use counterfoil_model::lineage::Lineage;
use counterfoil_model::names::suggestion;
use counterfoil_model::pair::Pairs;
use counterfoil_model::plan::{Plan, TablePlan};
use counterfoil_model::report::{
    MergeShown, Pairing, PlanIdentity, Report, Run, SCHEMA, SnapshotIdentity, TableResult,
};
use counterfoil_plan::Loaded;
use counterfoil_snapshots::{Snapshot, SnapshotWriter};
use jiff::tz::TimeZone;
use rayon::prelude::*;
use serde_json::json;

use crate::connect;
use crate::error::Error;
pub use log::now;
use mask::Mask;
pub use progress::Progress;
pub use take::{Wanted, snapshot};

/// How many merges the report lists by name; all are counted.
const MERGES_SHOWN: usize = 200;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The path of the plan as it was given.
    pub plan_path: PathBuf,
    /// The phase asked for.
    pub phase: Option<String>,
    /// Values set on the command line.
    pub set: Vec<String>,
    /// The run's folder; `None`: `runs/<name>-<UTC time>`.
    pub out: Option<PathBuf>,
    /// What to show while it runs.
    pub progress: Progress,
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// The report, as written.
    pub report: Report,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Does the main job: takes snapshots, derives what the target should hold, compares, and writes the run's
/// folder.
///
/// # Errors
/// Where it can't be done. Findings are no errors.
pub fn run(loaded: &Loaded, options: &Options) -> Result<Finished, Error> {
    let started_at = now();
    let plan = &loaded.plan;
    phase_is_possible(loaded, options.phase.as_deref())?;
    let ready = checks::resolve(loaded).map_err(|problems| plan_errors(loaded, problems))?;
    let place = options.out.clone().unwrap_or_else(|| {
        let stamp: String = started_at.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        Path::new("runs").join(format!("{}-{stamp}", file_name(&plan.name)))
    });
    let folder = work::WorkFolder::create(&place)?;
    let log = log::Log::create(&folder.run().join("log.jsonl"))?;
    log.event(
        "started",
        json!({ "plan": options.plan_path, "phase": options.phase, "version": env!("CARGO_PKG_VERSION") }),
    );

    let base = options.plan_path.parent().map(Path::to_path_buf).unwrap_or_default();
    let connections = open_all(plan, &base)?;
    check_names(loaded, &connections)?;
    let unnamed = coverage::unnamed(plan, &connections)?;
    let snapshots = take_all(plan, &connections, &folder.scratch(), options, &log)?;
    let compared = compare_tables(loaded, &snapshots, &folder.scratch(), options)?;
    log.event("compared", json!({ "tables": compared.pairs.len() }));

    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let waivers = waivers::Waivers::new(&plan.waivers, today);
    let files = checks::PlanFiles { base };
    let context = checks::Context {
        loaded,
        pairs: &compared.pairs,
        files: &files,
        scratch: folder.scratch(),
        waivers: &waivers,
    };
    let bar = options.progress.bar("Checking", ready.len() as u64);
    let done: Vec<checks::Done> = ready
        .par_iter()
        .enumerate()
        .map(|(number, check)| {
            let masks = checks::masked_columns(plan, &check.table);
            let key = compared.tables.get(&check.table).map(|t| t.shown_key.clone()).unwrap_or_default();
            let done = checks::run(check, number, &Mask::new(masks, &key), &context);
            bar.inc(1);
            done
        })
        .collect::<Result<_, _>>()?;
    bar.finish_and_clear();
    let parts: Vec<PathBuf> = done.iter().filter_map(|d| d.part.clone()).collect();
    differences::join(&parts, &folder.run().join("differences.parquet"))?;

    let report = assemble(Assembly {
        loaded,
        options,
        started_at,
        place: &place,
        snapshots: &snapshots,
        unnamed,
        compared: &compared,
        done,
        waivers: &waivers,
    });
    log.event("finished", json!({ "verdict": report.verdict, "exit_code": report.gate.exit_code }));
    write_run(&folder.run(), loaded, &report)?;
    drop(compared);
    let folder = folder.publish()?;
    Ok(Finished { report, folder })
}

fn plan_errors(loaded: &Loaded, problems: Vec<counterfoil_plan::PlanError>) -> Error {
    counterfoil_plan::PlanErrors { source_name: loaded.source_name.clone(), problems }.into()
}

/// Sampling comes with a later version: a phase that asks for it must not pass as if it had been done.
fn phase_is_possible(loaded: &Loaded, phase: Option<&str>) -> Result<(), Error> {
    let Some(name) = phase else { return Ok(()) };
    let phases = &loaded.plan.phases;
    let Some(phase) = phases.iter().find(|p| p.name.value == name) else {
        let hint = suggestion(name, phases.iter().map(|p| p.name.value.as_str()));
        return Err(Error::other(format!("the plan has no phase '{name}'{hint}"), None));
    };
    if phase.sampling.is_some() {
        let message = format!("phase '{name}' asks for sampling, which this version can't do yet");
        let help = "run without --phase to compare all rows".to_owned();
        return Err(Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(
            loaded,
            phase.name.origin,
            message,
            Some(help),
        ))));
    }
    Ok(())
}

fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect()
}

fn open_all(plan: &Plan, base: &Path) -> Result<BTreeMap<String, Box<dyn Connector>>, Error> {
    let open = |c: &counterfoil_model::plan::Connection| {
        let connector = connect::open(&c.url.value, base).map_err(|e| Error::connection(&c.name, e))?;
        Ok((c.name.clone(), connector))
    };
    plan.connections.iter().map(open).collect()
}

/// Every table that the plan names must be there; all that aren't are shown at once.
fn check_names(loaded: &Loaded, connections: &BTreeMap<String, Box<dyn Connector>>) -> Result<(), Error> {
    let plan = &loaded.plan;
    let mut known = BTreeMap::new();
    for (name, connector) in connections {
        known.insert(name.as_str(), connector.tables().map_err(|e| Error::connection(name, e))?);
    }
    let mut problems = Vec::new();
    let mut check = |connection: &str, table: &str, origin| {
        let Some(tables) = known.get(connection) else { return };
        if !tables.iter().any(|t| t == table) {
            let hint = suggestion(table, tables.iter().map(String::as_str));
            let message = format!("connection '{connection}' has no table '{table}'{hint}");
            let help = match tables.as_slice() {
                [] => "it holds no table at all".to_owned(),
                _ => format!("it has: {}", tables.join(", ")),
            };
            problems.push(counterfoil_plan::problem_at(loaded, origin, message, Some(help)));
        }
    };
    for table in &plan.tables {
        check(&plan.target.value, &table.name.value, table.name.origin);
        for from in &table.from {
            if let Some((connection, source)) = from.value.split_once('.') {
                check(connection, source, from.origin);
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(plan_errors(loaded, problems)) }
}

fn take_all(
    plan: &Plan,
    connections: &BTreeMap<String, Box<dyn Connector>>,
    scratch: &Path,
    options: &Options,
    log: &log::Log,
) -> Result<BTreeMap<String, Snapshot>, Error> {
    let rows = options.progress.rows("Snapshot");
    let taken: Vec<(String, Snapshot)> = plan
        .connections
        .par_iter()
        .enumerate()
        .filter_map(|(number, c)| connections.get(&c.name).map(|connector| (number, c, connector)))
        .map(|(number, c, connector)| {
            let wanted = wanted(plan, &c.name, connector.as_ref())?;
            let folder = scratch.join(format!("snapshot-{number}"));
            let snapshot = snapshot(&c.name, connector.as_ref(), &wanted, &folder, &rows)?;
            let manifest = snapshot.manifest();
            log.event(
                "snapshot",
                json!({ "connection": c.name, "tables": manifest.tables.len(), "root": manifest.root }),
            );
            Ok((c.name.clone(), snapshot))
        })
        .collect::<Result<_, Error>>()?;
    rows.finish_and_clear();
    Ok(taken.into_iter().collect())
}

/// The tables of a connection that the plan uses, each ordered as it will be compared.
fn wanted(plan: &Plan, connection: &str, connector: &dyn Connector) -> Result<Vec<Wanted>, Error> {
    let tables = connector.tables().map_err(|e| Error::connection(connection, e))?;
    let is_target = connection == plan.target.value;
    let mut wanted = Vec::new();
    for table in tables {
        let full = format!("{connection}.{table}");
        let own = plan.tables.iter().find(|t| is_target && t.name.value == table);
        let source = plan.tables.iter().any(|t| coverage::uses(t, &full));
        if own.is_none() && !source {
            continue;
        }
        let names = |columns: &[counterfoil_model::plan::Spanned<String>]| {
            columns.iter().map(|c| c.value.clone()).collect::<Vec<_>>()
        };
        let key = own.and_then(|t| {
            if t.match_columns.is_empty() {
                t.key.as_deref().map(names)
            } else {
                Some(names(&t.match_columns))
            }
        });
        wanted.push(Wanted { table, key });
    }
    Ok(wanted)
}

/// What comparing the tables needs and gives.
struct Compared {
    pairs: Pairs,
    tables: BTreeMap<String, TableFacts>,
}

/// What the report says about a table beside its outcomes.
struct TableFacts {
    pairings: Vec<Pairing>,
    shown_key: Vec<String>,
}

/// Derives every expected table, translates references, and pairs it with the actual one. Tables that others
/// refer to come first; every expected table goes to disk as soon as it is done.
fn compare_tables(
    loaded: &Loaded,
    snapshots: &BTreeMap<String, Snapshot>,
    scratch: &Path,
    options: &Options,
) -> Result<Compared, Error> {
    let plan = &loaded.plan;
    let sources = sources(plan, snapshots)?;
    let zone = zone(loaded)?;
    let folder = scratch.join("expected");
    let writer = SnapshotWriter::create(&folder)?;
    let bar = options.progress.bar("Deriving", plan.tables.len() as u64);
    let referenced: BTreeSet<&str> = plan
        .tables
        .iter()
        .flat_map(|t| &t.columns)
        .filter_map(|c| c.references.as_ref())
        .map(|r| r.value.as_str())
        .collect();
    let mut relations = BTreeMap::new();
    let mut waiting: BTreeMap<usize, Expected> = BTreeMap::new();
    for (number, table) in plan.tables.iter().enumerate() {
        if referenced.contains(table.name.value.as_str()) {
            let expected = derive(loaded, table, &sources, snapshots)?;
            let actual = actual(plan, table, snapshots)?;
            let id = id_column(loaded, table, &actual)?;
            let relation = references::Relation::learn(table, &expected, &actual, &id)
                .map_err(|e| Error::other(e.to_string(), None))?;
            relations.insert(table.name.value.clone(), relation);
            waiting.insert(number, expected);
        }
    }
    let waiting = std::sync::Mutex::new(waiting);
    let paired: Vec<(String, pairing::Paired)> = plan
        .tables
        .par_iter()
        .enumerate()
        .map(|(number, table)| {
            let ready = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&number);
            let mut expected = match ready {
                Some(expected) => expected,
                None => derive(loaded, table, &sources, snapshots)?,
            };
            for column in &table.columns {
                if let Some(relation) = column.references.as_ref().and_then(|r| relations.get(&r.value)) {
                    references::translate(&mut expected, &column.name.value, relation);
                }
            }
            let paired = pairing::pair(pairing::Parts {
                loaded,
                plan: table,
                expected,
                actual: actual(plan, table, snapshots)?,
                defaults: &plan.defaults,
                zone: &zone,
                writer: &writer,
                folder: &folder,
                number,
                source_fields: source_fields(table, &sources),
            })?;
            bar.inc(1);
            Ok((table.name.value.clone(), paired))
        })
        .collect::<Result<_, Error>>()?;
    bar.finish_and_clear();
    let mut paired = paired;
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

fn sources(plan: &Plan, snapshots: &BTreeMap<String, Snapshot>) -> Result<BTreeMap<String, Source>, Error> {
    let mut sources = BTreeMap::new();
    for (connection, snapshot) in snapshots {
        for table in &snapshot.manifest().tables {
            let full = format!("{connection}.{}", table.name);
            if !plan.tables.iter().any(|t| coverage::uses(t, &full)) {
                continue;
            }
            if let Some(open) = snapshot.table(&table.name)? {
                let source = Source {
                    connection: connection.clone(),
                    facts: open.facts().clone(),
                    table: Arc::new(open),
                };
                sources.insert(full, source);
            }
        }
    }
    Ok(sources)
}

fn derive(
    loaded: &Loaded,
    table: &TablePlan,
    sources: &BTreeMap<String, Source>,
    snapshots: &BTreeMap<String, Snapshot>,
) -> Result<Expected, Error> {
    let actual = actual(&loaded.plan, table, snapshots)?;
    let request =
        Request { plan: table, sources, target: Some(actual.facts()), defaults: &loaded.plan.defaults };
    counterfoil_mapping::derive(&request).map_err(|e| {
        let message = format!("table '{}': {}", table.name.value, e.message);
        Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(loaded, e.origin, message, e.help)))
    })
}

fn actual(
    plan: &Plan,
    table: &TablePlan,
    snapshots: &BTreeMap<String, Snapshot>,
) -> Result<counterfoil_snapshots::SnapshotTable, Error> {
    let name = &table.name.value;
    let open = match snapshots.get(&plan.target.value) {
        Some(snapshot) => snapshot.table(name)?,
        None => None,
    };
    open.ok_or_else(|| Error::other(format!("the target has no table '{name}'"), None))
}

/// The one column that identifies a row of a table that others refer to.
fn id_column(
    loaded: &Loaded,
    table: &TablePlan,
    actual: &counterfoil_snapshots::SnapshotTable,
) -> Result<String, Error> {
    let surrogate = table.columns.iter().find(|c| c.surrogate).map(|c| c.name.value.clone());
    let key = table.key.as_ref().map(|k| k.iter().map(|c| c.value.clone()).collect::<Vec<_>>());
    let key = key.unwrap_or_else(|| actual.facts().primary_key.clone());
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

struct Assembly<'a> {
    loaded: &'a Loaded,
    options: &'a Options,
    started_at: String,
    place: &'a Path,
    snapshots: &'a BTreeMap<String, Snapshot>,
    unnamed: Vec<counterfoil_model::finding::NotCompared>,
    compared: &'a Compared,
    done: Vec<checks::Done>,
    waivers: &'a waivers::Waivers,
}

fn assemble(parts: Assembly<'_>) -> Report {
    let plan = &parts.loaded.plan;
    let mut rows = BTreeMap::new();
    let mut results = Vec::with_capacity(parts.done.len());
    for done in parts.done {
        if let Some(outcomes) = done.rows {
            rows.entry(done.result.table.clone()).or_insert(outcomes);
        }
        results.push(done.result);
    }
    let pairs = parts.compared.pairs.values().map(Arc::as_ref);
    let coverage = coverage::of_run(parts.unnamed, pairs, &results);
    let phase = plan.phases.iter().find(|p| Some(&p.name.value) == parts.options.phase.as_ref());
    let gate = phase.and_then(|p| p.gate).unwrap_or(plan.gate);
    let waivers = parts.waivers.results();
    let waived = waivers.iter().map(|w| w.findings).sum();
    let tables = plan.tables.iter().filter_map(|t| table_result(t, plan, parts.compared, &rows)).collect();
    let id = parts.place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Report {
        schema: SCHEMA.into(),
        run: Run {
            id,
            phase: parts.options.phase.clone(),
            started_at: parts.started_at,
            finished_at: now(),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        plan: PlanIdentity {
            name: plan.name.clone(),
            path: parts.options.plan_path.display().to_string(),
            blake3: parts.loaded.blake3.clone(),
            set: parts.options.set.clone(),
        },
        snapshots: plan.connections.iter().filter_map(|c| snapshot_identity(c, parts.snapshots)).collect(),
        verdict: gate::verdict(&results, coverage.verdict),
        gate: gate::apply(gate, &results, coverage.verdict, waived),
        coverage,
        tables,
        checks: results,
        causes: Vec::new(),
        waivers,
    }
}

fn snapshot_identity(
    connection: &counterfoil_model::plan::Connection,
    snapshots: &BTreeMap<String, Snapshot>,
) -> Option<SnapshotIdentity> {
    let manifest = snapshots.get(&connection.name)?.manifest();
    Some(SnapshotIdentity {
        connection: connection.name.clone(),
        url: connection.shown.clone(),
        taken_at: manifest.taken_at.clone(),
        tables: manifest.tables.len() as u64,
        rows: manifest.tables.iter().map(|t| t.rows).sum(),
        root: Some(manifest.root.clone()),
        consistency: manifest.consistency.clone(),
    })
}

fn table_result(
    table: &TablePlan,
    plan: &Plan,
    compared: &Compared,
    rows: &BTreeMap<String, counterfoil_model::finding::RowOutcomes>,
) -> Option<TableResult> {
    let name = &table.name.value;
    let pair = compared.pairs.get(name)?;
    let facts = compared.tables.get(name)?;
    let outcomes = rows.get(name);
    let masked = !checks::masked_columns(plan, name).is_empty();
    Some(TableResult {
        name: name.clone(),
        sources: pair.lineage.sources.clone(),
        key: pair.key.as_ref().map(|k| k.names.clone()).unwrap_or_default(),
        expected: pair.expected.rows(),
        actual: pair.actual.rows(),
        matched: outcomes.map(|o| o.matched),
        missing_in_target: outcomes.map(|o| o.missing_in_target),
        extra_in_target: outcomes.map(|o| o.extra_in_target),
        changed: outcomes.map(|o| o.changed),
        duplicate_key: outcomes.map(|o| o.duplicate_key),
        pairings: facts.pairings.clone(),
        merges: merges(&pair.lineage, masked),
        merges_total: pair.lineage.merges.len() as u64,
    })
}

fn merges(lineage: &Lineage, masked: bool) -> Vec<MergeShown> {
    let row = |origin: &counterfoil_model::lineage::RowOrigin| {
        let source = lineage.sources.get(origin.source).map_or("", |s| s.source.as_str());
        format!("{source} {}", key::to_json(std::slice::from_ref(&origin.key)))
    };
    let shown = lineage.merges.iter().take(MERGES_SHOWN);
    shown
        .map(|m| MergeShown {
            from: row(&m.from),
            into: row(&m.into),
            identity: if masked { "[masked]".into() } else { m.identity.to_string() },
        })
        .collect()
}

fn write_run(folder: &Path, loaded: &Loaded, report: &Report) -> Result<(), Error> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| Error::io("write", &path, e))
    };
    let json = counterfoil_reports::json(report).map_err(|e| Error::other(e.to_string(), None))?;
    write("report.json", json)?;
    write("plan.resolved.yaml", loaded.resolved_yaml.clone())?;
    let formats = &loaded.plan.report.formats;
    let wants = |format: &str| formats.is_empty() || formats.iter().any(|f| f.value == format);
    if wants("markdown") {
        write("report.md", counterfoil_reports::markdown(report))?;
    }
    if wants("html") {
        write("report.html", counterfoil_reports::html(report))?;
    }
    if wants("junit") {
        write("junit.xml", counterfoil_reports::junit(report))?;
    }
    Ok(())
}
