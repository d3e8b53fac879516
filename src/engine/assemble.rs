//! The report: everything that a run found, in one value, and its files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use counterfoil_model::key;
use counterfoil_model::lineage::Lineage;
use counterfoil_model::plan::{Plan, TablePlan};
use counterfoil_model::report::{
    MergeShown, PlanIdentity, Report, Run, SCHEMA, SnapshotIdentity, TableResult,
};
use counterfoil_plan::Loaded;

use super::compare::Compared;
use super::view::View;
use super::{Options, checks, coverage, gate, now, waivers};
use crate::error::Error;

/// How many merges the report lists by name; all are counted.
const MERGES_SHOWN: usize = 200;

/// What a report is made of.
pub struct Assembly<'a> {
    /// The plan.
    pub loaded: &'a Loaded,
    /// How the run was asked for.
    pub options: &'a Options,
    /// When it began.
    pub started_at: String,
    /// Where it will be.
    pub place: &'a Path,
    /// What was looked at.
    pub views: &'a BTreeMap<String, View>,
    /// Tables that the plan does not name.
    pub unnamed: Vec<counterfoil_model::finding::NotCompared>,
    /// All pairs.
    pub compared: &'a Compared,
    /// All checks.
    pub done: Vec<checks::Done>,
    /// Waivers and what they covered.
    pub waivers: &'a waivers::Waivers,
}

/// The report of a finished run.
pub fn report(parts: Assembly<'_>) -> Report {
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
            peak_rss_bytes: super::memory::peak(),
        },
        plan: PlanIdentity {
            name: plan.name.clone(),
            path: parts.options.plan_path.display().to_string(),
            blake3: parts.loaded.blake3.clone(),
            set: parts.options.set.clone(),
        },
        snapshots: plan.connections.iter().filter_map(|c| snapshot_identity(c, parts.views)).collect(),
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
    views: &BTreeMap<String, View>,
) -> Option<SnapshotIdentity> {
    let view = views.get(&connection.name)?;
    Some(SnapshotIdentity {
        connection: connection.name.clone(),
        url: connection.shown.clone(),
        taken_at: view.taken_at.clone(),
        tables: view.tables().len() as u64,
        rows: view.tables().values().map(|t| t.table.rows()).sum(),
        root: view.root.clone(),
        consistency: view.consistency.clone(),
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

/// Writes the report and its renderings.
///
/// # Errors
/// Where the disk refuses.
pub fn write(folder: &Path, loaded: &Loaded, report: &Report) -> Result<(), Error> {
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
