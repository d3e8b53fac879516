//! The run engine: snapshot, derive, compare, gate, report. One direction; each stage gets plain data from the
//! one before it.

mod assemble;
mod checks;
mod compare;
mod coverage;
pub mod differences;
mod gate;
mod log;
mod mask;
mod memory;
mod pairing;
mod progress;
mod references;
pub mod resume;
mod take;
mod view;
mod waivers;
pub mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use counterfoil_connectors::Connector;
use counterfoil_model::names::suggestion;
use counterfoil_model::plan::{Plan, TablePlan};
use counterfoil_model::report::Report;
use counterfoil_plan::Loaded;
use counterfoil_snapshots::{MemoryBudget, Storage};
use jiff::tz::TimeZone;
use rayon::prelude::*;
use serde_json::json;

use crate::connect;
use crate::error::Error;
pub use log::now;
use mask::Mask;
pub use progress::Progress;
pub use take::{Taking, Wanted, snapshot};
use view::View;

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
    /// `row_diff` ends after so many findings in a table, and says that it was stopped.
    pub stop_after: Option<u64>,
    /// How much memory sorting may take.
    pub memory: MemoryBudget,
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
    work::is_free(&place)?;
    let base = options.plan_path.parent().map(Path::to_path_buf).unwrap_or_default();
    let connections = open_all(plan, &base)?;
    check_names(loaded, &connections)?;
    let watched = resume::Watched::of(&connections);
    let asked = format!("{plan:?} {:?} {:?}", options.phase, options.stop_after);
    let purpose = resume::purpose("run", &options.plan_path, &asked, &connections);
    let folder = work::WorkFolder::create(&place, purpose.as_ref())?;
    folder.empty_run()?;
    let log = log::Log::create(&folder.run().join("log.jsonl"))?;
    log.event(
        "started",
        json!({ "plan": options.plan_path, "phase": options.phase, "version": env!("CARGO_PKG_VERSION") }),
    );

    if folder.resumed() {
        log.event("resumed", json!({}));
        options.progress.say("going on with a run that was killed");
    }
    let unnamed = coverage::unnamed(plan, &connections)?;
    let views = look(plan, &connections, &folder.scratch(), options, &log)?;
    let compared = compare::tables(loaded, &views, &folder.scratch(), options)?;
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
        stop_after: options.stop_after,
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
    watched.are_unchanged()?;
    let parts: Vec<PathBuf> = done.iter().filter_map(|d| d.part.clone()).collect();
    differences::join(&parts, &folder.run().join("differences.parquet"))?;

    let report = assemble::report(assemble::Assembly {
        loaded,
        options,
        started_at,
        place: &place,
        views: &views,
        unnamed,
        compared: &compared,
        done,
        waivers: &waivers,
    });
    log.event("finished", json!({ "verdict": report.verdict, "exit_code": report.gate.exit_code }));
    assemble::write(&folder.run(), loaded, &report)?;
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

/// A view of every connection: in place where that is possible, else a snapshot that is taken now.
fn look(
    plan: &Plan,
    connections: &BTreeMap<String, Box<dyn Connector>>,
    scratch: &Path,
    options: &Options,
    log: &log::Log,
) -> Result<BTreeMap<String, View>, Error> {
    let rows = options.progress.rows("Snapshot");
    let wanted: Vec<Vec<Wanted>> =
        plan.connections.iter().map(|c| wanted(plan, &c.name, connections)).collect::<Result<_, _>>()?;
    let views: Vec<(String, View)> = plan
        .connections
        .par_iter()
        .zip(wanted)
        .enumerate()
        .filter_map(|(number, (c, wanted))| Some((number, c, wanted, connections.get(&c.name)?)))
        .map(|(number, c, wanted, connector)| {
            let view = match View::in_place(&c.name, connector.as_ref(), &wanted)? {
                Some(view) => view,
                None => {
                    let folder = scratch.join(format!("snapshot-{number}"));
                    let taking = Taking { memory: &options.memory, storage: Storage::Arrow, rows: &rows };
                    let taken = snapshot(&c.name, connector.as_ref(), &wanted, &folder, &taking)?;
                    View::of_snapshot(&taken)?
                }
            };
            log.event(
                "snapshot",
                json!({ "connection": c.name, "tables": view.tables().len(), "root": view.root }),
            );
            Ok((c.name.clone(), view))
        })
        .collect::<Result<_, Error>>()?;
    rows.finish_and_clear();
    Ok(views.into_iter().collect())
}

/// The tables of a connection that the plan uses, each ordered as it will be compared.
fn wanted(
    plan: &Plan,
    connection: &str,
    connections: &BTreeMap<String, Box<dyn Connector>>,
) -> Result<Vec<Wanted>, Error> {
    let Some(connector) = connections.get(connection) else { return Ok(Vec::new()) };
    let tables = connector.tables().map_err(|e| Error::connection(connection, e))?;
    let is_target = connection == plan.target.value;
    let mut wanted = Vec::new();
    for table in tables {
        let full = format!("{connection}.{table}");
        let own = plan.tables.iter().find(|t| is_target && t.name.value == table);
        let takers: Vec<&TablePlan> = plan.tables.iter().filter(|t| coverage::uses(t, &full)).collect();
        let key = match (own, takers.as_slice()) {
            (None, []) => continue,
            (Some(own), _) => paired_by(own),
            // A source that one table takes is ordered by what that table's key comes from, so that it need not be
            // ordered again.
            (None, [one]) => source_key(plan, one, connections)?,
            (None, _) => None,
        };
        wanted.push(Wanted { table, key });
    }
    Ok(wanted)
}

/// The columns by which the plan pairs a table's rows, if it says so.
fn paired_by(table: &TablePlan) -> Option<Vec<String>> {
    let names = |columns: &[counterfoil_model::plan::Spanned<String>]| {
        columns.iter().map(|c| c.value.clone()).collect::<Vec<_>>()
    };
    if table.match_columns.is_empty() {
        table.key.as_deref().map(names)
    } else {
        Some(names(&table.match_columns))
    }
}

/// The source's columns that a table's key comes from, as far as names tell; where they don't exist, the store falls
/// back to the source's own key.
fn source_key(
    plan: &Plan,
    table: &TablePlan,
    connections: &BTreeMap<String, Box<dyn Connector>>,
) -> Result<Option<Vec<String>>, Error> {
    let key = match (paired_by(table), connections.get(&plan.target.value)) {
        (Some(key), _) => key,
        (None, Some(target)) => {
            let facts = target.facts(&table.name.value);
            facts.map_err(|e| Error::connection(&plan.target.value, e))?.primary_key
        }
        (None, None) => Vec::new(),
    };
    let from = |name: &String| {
        let column = table.columns.iter().find(|c| c.name.value == *name);
        column.and_then(|c| c.expect.as_ref()).map_or_else(|| name.clone(), |e| e.value.clone())
    };
    Ok(Some(key.iter().map(from).collect()).filter(|key: &Vec<String>| !key.is_empty()))
}
