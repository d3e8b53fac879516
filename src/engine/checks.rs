//! Checks: from plan lines to validators with options, and from outcomes to results.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use counterfoil_model::names::suggestion;
use counterfoil_model::pair::{Pairs, TablePair};
use counterfoil_model::plan::{Plan, Spanned};
use counterfoil_model::report::CheckResult;
use counterfoil_model::wording::{count, number};
use counterfoil_model::{CheckOutcome, Verdict};
use counterfoil_plan::{Loaded, PlanError};
use counterfoil_validators::{Check, CheckError, FileStore, Input};

use super::differences::Part;
use super::mask::Mask;
use super::waivers::Waivers;
use crate::error::Error;

/// What every table is checked for where the plan doesn't say.
const DEFAULT_CHECKS: [&str; 2] = ["row_count", "row_diff"];
/// How many findings of a check the report shows where the plan doesn't say.
const FINDINGS_SHOWN: usize = 100;

/// A check of the plan, ready to run.
#[derive(Debug)]
pub struct Ready {
    /// `table.validator`, with `#2` and so on for further uses.
    pub id: String,
    /// The table.
    pub table: String,
    /// The validator and where the plan names it.
    pub validator: Spanned<String>,
    check: Box<dyn Check>,
    allow_empty: bool,
}

/// Makes all checks of a plan.
///
/// # Errors
/// Every check whose validator or options don't fit.
pub fn resolve(loaded: &Loaded) -> Result<Vec<Ready>, Vec<PlanError>> {
    let mut ready: Vec<Ready> = Vec::new();
    let mut problems = Vec::new();
    for table in &loaded.plan.tables {
        let name = &table.name.value;
        let defaults = DEFAULT_CHECKS.map(|v| counterfoil_model::plan::CheckPlan {
            validator: Spanned::new(v.into(), table.name.origin),
            ..Default::default()
        });
        let checks = if table.checks.is_empty() { defaults.as_slice() } else { table.checks.as_slice() };
        for plan in checks {
            let validator = &plan.validator.value;
            let Some(found) = counterfoil_validators::find(validator) else {
                let known = counterfoil_validators::catalogue().iter().map(|v| v.name);
                let message = format!("unknown validator '{validator}'{}", suggestion(validator, known));
                let help = Some("'counterfoil validators' lists them all".into());
                problems.push(counterfoil_plan::problem_at(loaded, plan.validator.origin, message, help));
                continue;
            };
            let uses =
                1 + ready.iter().filter(|r| r.table == *name && r.validator.value == *validator).count();
            let suffix = if uses > 1 { format!("#{uses}") } else { String::new() };
            match found.check(plan.options.clone()) {
                Ok(check) => ready.push(Ready {
                    id: format!("{name}.{validator}{suffix}"),
                    table: name.clone(),
                    validator: plan.validator.clone(),
                    check,
                    allow_empty: plan.allow_empty,
                }),
                Err(message) => {
                    let message = format!("options of '{validator}': {message}");
                    let help = Some(format!(
                        "'counterfoil validators {validator}' shows its options with an example"
                    ));
                    problems.push(counterfoil_plan::problem_at(loaded, plan.validator.origin, message, help));
                }
            }
        }
    }
    if problems.is_empty() { Ok(ready) } else { Err(problems) }
}

/// What all checks of a run share.
pub struct Context<'a> {
    /// The plan.
    pub loaded: &'a Loaded,
    /// All pairs.
    pub pairs: &'a Pairs,
    /// Files that options name.
    pub files: &'a PlanFiles,
    /// Where parts of the differences are written.
    pub scratch: PathBuf,
    /// The plan's waivers.
    pub waivers: &'a Waivers,
    /// The findings after which `row_diff` ends.
    pub stop_after: Option<u64>,
}

/// A check's result, and the part of the differences it wrote.
pub struct Done {
    /// For the report.
    pub result: CheckResult,
    /// The part's file, if it is one that writes differences.
    pub part: Option<PathBuf>,
    /// Row outcomes, from `row_diff`.
    pub rows: Option<counterfoil_model::finding::RowOutcomes>,
}

/// Runs one check.
///
/// # Errors
/// Where the check breaks: not a finding.
pub fn run(ready: &Ready, number: usize, mask: &Mask, context: &Context<'_>) -> Result<Done, Error> {
    let started = Instant::now();
    let broken = |problem: String| Error::Check { check: ready.id.clone(), problem };
    let pair: &Arc<TablePair> =
        context.pairs.get(&ready.table).ok_or_else(|| broken("its table was not compared".into()))?;
    let path = context.scratch.join(format!("differences-{number:04}.parquet"));
    let noted = context.scratch.join(format!("differences-{number:04}.json"));
    // Only a comparison of rows depends on nothing but the plan and its tables, so only that is gone on with.
    let compares_rows = ready.validator.value == "row_diff";
    if let Some(outcome) = finished(&noted).filter(|_| compares_rows && path.is_file()) {
        let rows = outcome.rows;
        return Ok(Done { result: result(ready, outcome, mask, context, started), part: Some(path), rows });
    }
    let mut part = Part::create(&path, &ready.table, mask.clone())?;
    let mut input = Input {
        pair,
        pairs: context.pairs,
        differences: &mut part,
        files: context.files,
        stop_after: context.stop_after,
    };
    let outcome = ready.check.run(&mut input).map_err(|e| match e {
        CheckError::Options(message) => {
            let message = format!("check '{}': {message}", ready.id);
            let help = Some(format!("'counterfoil validators {}' shows its options", ready.validator.value));
            Error::AtPlanLine(Box::new(counterfoil_plan::problem_at(
                context.loaded,
                ready.validator.origin,
                message,
                help,
            )))
        }
        other => broken(other.to_string()),
    })?;
    let part = Some(part.finish()?);
    if compares_rows {
        note(&noted, &outcome)?;
    }
    let rows = outcome.rows;
    let result = result(ready, outcome, mask, context, started);
    Ok(Done { result, part, rows })
}

/// What a check found before its process was killed.
fn finished(path: &Path) -> Option<CheckOutcome> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes down what a check found, whole or not at all.
fn note(path: &Path, outcome: &CheckOutcome) -> Result<(), Error> {
    let temporary = path.with_extension("tmp");
    let text = serde_json::to_vec(outcome).map_err(|e| Error::io("write", &temporary, e.into()))?;
    std::fs::write(&temporary, text).map_err(|e| Error::io("write", &temporary, e))?;
    std::fs::rename(&temporary, path).map_err(|e| Error::io("rename", path, e))
}

fn result(
    ready: &Ready,
    mut outcome: CheckOutcome,
    mask: &Mask,
    context: &Context<'_>,
    started: Instant,
) -> CheckResult {
    let pair_allows = context.pairs.get(&ready.table).is_some_and(|p| p.allow_empty);
    let waived = context.waivers.apply(&ready.table, &mut outcome);
    let allow_empty = ready.allow_empty || pair_allows;
    let verdict = outcome.verdict(allow_empty);
    let mut message = std::mem::take(&mut outcome.message);
    if let Some(reason) = &outcome.undecided {
        message = if message.is_empty() { reason.clone() } else { format!("{message}; {reason}") };
    } else if outcome.checked == 0 && verdict == Verdict::Inconclusive {
        message = format!("nothing was compared; {message}");
    } else if outcome.checked == 0 {
        message = format!("empty on both sides, which the plan allows; {message}");
    }
    if waived > 0 {
        message = format!("{message}; {} waived", number(waived));
    }
    if mask.any() && !outcome.findings.is_empty() {
        message = format!("{} (values are masked by the plan)", count(outcome.total, "finding", "findings"));
    }
    let shown = context.loaded.plan.report.max_findings.unwrap_or(FINDINGS_SHOWN);
    outcome.findings.truncate(shown);
    outcome.findings.iter_mut().for_each(|f| mask.finding(f));
    CheckResult {
        id: ready.id.clone(),
        validator: ready.validator.value.clone(),
        table: ready.table.clone(),
        columns: ready.check.columns(),
        severity: "error".into(),
        verdict,
        checked: outcome.checked,
        failed: outcome.failed,
        rules: outcome.rules,
        message,
        findings: outcome.findings,
        total: outcome.total,
        coverage: outcome.coverage,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// The masks of a plan, by table.
pub fn masked_columns(plan: &Plan, table: &str) -> Vec<String> {
    let mask = plan.report.mask.iter();
    mask.filter_map(|m| m.value.split_once('.'))
        .filter(|(t, _)| *t == table)
        .map(|(_, c)| c.to_owned())
        .collect()
}

/// Files that options name, relative to the plan's folder.
#[derive(Debug)]
pub struct PlanFiles {
    /// The plan's folder.
    pub base: PathBuf,
}

impl PlanFiles {
    fn stored(&self, store: &str, path: &str) -> Option<PathBuf> {
        let path = Path::new(path.trim_start_matches('/'));
        // A path that climbs out of the store is not in it.
        let inside = path.components().all(|c| matches!(c, std::path::Component::Normal(_)));
        inside.then(|| self.base.join(store).join(path))
    }
}

impl FileStore for PlanFiles {
    fn text(&self, path: &str) -> Result<String, String> {
        let path = self.base.join(path);
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn size(&self, store: &str, path: &str) -> Result<Option<u64>, String> {
        let root = self.base.join(store);
        if !root.is_dir() {
            return Err(format!("the store {} is not a folder", root.display()));
        }
        let Some(path) = self.stored(store, path) else { return Ok(None) };
        match path.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("{}: {e}", path.display())),
        }
    }

    fn digest(&self, store: &str, path: &str) -> Result<Option<String>, String> {
        if self.size(store, path)?.is_none() {
            return Ok(None);
        }
        let Some(path) = self.stored(store, path) else { return Ok(None) };
        let mut file = std::fs::File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut hasher = blake3::Hasher::new();
        std::io::copy(&mut file, &mut hasher).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Some(hasher.finalize().to_hex().to_string()))
    }
}
