//! What all renderings say about a report, so that they say the same.

use std::collections::BTreeSet;

use counterfoil_model::finding::NotCompared;
use counterfoil_model::report::{CheckResult, Pairing, Report};
use counterfoil_model::{Level, Rule, Verdict};

use crate::text::{count, exact_percent, number, percent};

/// What the plan neither compares nor ignores.
pub(crate) fn gaps(report: &Report) -> Vec<&NotCompared> {
    report.coverage.not_compared.iter().filter(|n| !n.ignored).collect()
}

/// What is left out because the plan says so.
pub(crate) fn left_out(report: &Report) -> Vec<&NotCompared> {
    report.coverage.not_compared.iter().filter(|n| n.ignored).collect()
}

/// The verdict's sentence, without its word: `31 of 60 checks failed`.
pub(crate) fn headline(report: &Report) -> String {
    let gate = &report.gate;
    let total = number(total_checks(report));
    match report.verdict {
        Verdict::Fail => format!("{} of {total} checks failed", number(gate.failed)),
        Verdict::Inconclusive if gate.inconclusive > 0 => {
            format!("{} of {total} checks could not decide", number(gate.inconclusive))
        }
        Verdict::Inconclusive if total_checks(report) == 0 => "nothing was checked".into(),
        Verdict::Inconclusive => "not everything was compared".into(),
        Verdict::Pass => format!("all {total} checks passed"),
    }
}

/// `29 passed, 31 failed, 0 inconclusive`.
pub(crate) fn tally(report: &Report) -> String {
    let gate = &report.gate;
    format!(
        "{} passed, {} failed, {} inconclusive",
        number(gate.passed),
        number(gate.failed),
        number(gate.inconclusive)
    )
}

/// `pass rate 43.05%, required 100%`.
pub(crate) fn rate(report: &Report) -> String {
    format!("pass rate {}, required {}", percent(report.gate.pass_rate), exact_percent(report.gate.required))
}

/// What became of the verdicts: the exit code, and why, where the headline doesn't say that already.
pub(crate) fn decision(report: &Report) -> String {
    let gate = &report.gate;
    if gate.reason == headline(report) {
        format!("Exit code {}.", gate.exit_code)
    } else {
        format!("Exit code {}: {}.", gate.exit_code, gate.reason)
    }
}

/// What to say where nothing was left out. A run that compared nothing left out everything.
pub(crate) fn nothing_left_out(report: &Report) -> &'static str {
    if report.coverage.cells == 0 { "Nothing was compared." } else { "Nothing was left out." }
}

/// `842 rows and 6,479 cells of the target were compared`, and what that leaves out.
pub(crate) fn extent(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let mut parts = vec![format!(
        "{} and {} compared",
        count(coverage.rows, "row", "rows"),
        count(coverage.cells, "cell", "cells")
    )];
    let mut add = |n: u64, one: &str, many: &str| {
        if n > 0 {
            parts.push(count(n, one, many));
        }
    };
    add(gaps(report).len() as u64, "gap in the coverage", "gaps in the coverage");
    add(left_out(report).len() as u64, "thing left out by the plan", "things left out by the plan");
    add(report.gate.waived, "finding waived", "findings waived");
    parts
}

/// How many checks the gate counted.
pub(crate) fn total_checks(report: &Report) -> u64 {
    report.gate.passed + report.gate.failed + report.gate.inconclusive
}

/// Findings of a check that are counted, but not in the report, and where they are.
pub(crate) fn unshown(check: &CheckResult) -> Option<String> {
    let rest = check.total.saturating_sub(check.findings.len() as u64);
    let place = match check.validator.as_str() {
        "row_diff" => "in differences.parquet",
        _ => "not shown; the plan's report.max_findings shows more",
    };
    (rest > 0).then(|| format!("… and {} more {place}", number(rest)))
}

/// Checks that failed, could not decide, or have something to tell.
pub(crate) fn with_findings(report: &Report) -> Vec<&CheckResult> {
    report
        .checks
        .iter()
        .filter(|c| c.total > 0 || !c.findings.is_empty() || c.verdict != Verdict::Pass)
        .collect()
}

/// What a finding is, with its weight where that is not an error.
pub(crate) fn kind(finding: &counterfoil_model::Finding) -> String {
    match finding.level {
        Level::Error => finding.kind.name(),
        Level::Warning => format!("{} (warning)", finding.kind.name()),
    }
}

/// Rules that were applied anywhere, each once, in the published order.
pub(crate) fn rules(report: &Report) -> BTreeSet<Rule> {
    let of_checks = report.checks.iter().flat_map(|c| c.rules.iter().copied());
    let of_findings = report.checks.iter().flat_map(|c| c.findings.iter().filter_map(|f| f.rule));
    of_checks.chain(of_findings).collect()
}

/// Everything that was looser than equality as such, and what checks noted: each once, by table.
pub(crate) fn looser(report: &Report) -> BTreeSet<String> {
    let pairings = report.tables.iter().flat_map(|t| t.pairings.iter().map(move |p| (t, p)));
    let looser = pairings.filter(|(_, p)| p.read_as.is_some() || !p.tolerances.is_empty());
    let mut lines: BTreeSet<String> = looser
        .map(|(table, p)| {
            let read = p.read_as.iter().map(|t| format!("read as {t}"));
            let how: Vec<String> =
                read.chain(p.tolerances.iter().map(|t| format!("tolerance {t}"))).collect();
            format!("{}.{}: {}", table.name, p.column, how.join(", "))
        })
        .collect();
    let notes = report.checks.iter().flat_map(|c| c.coverage.notes.iter().map(move |n| (c, n)));
    lines.extend(notes.map(|(check, note)| format!("{}: {note}", check.table)));
    lines
}

/// How pairings came about, in words.
pub(crate) fn paired_by(pairing: &Pairing) -> &str {
    match pairing.by.as_str() {
        "name" => "name",
        "plan" => "the plan",
        "surrogate" => "surrogate: learned through the match, not compared",
        other => other,
    }
}

/// How to check the report without trusting whoever made it.
pub(crate) const VERIFY: [&str; 4] = [
    "report.json is the truth, and this file is rendered from it: `counterfoil report RUN --format markdown` (or html, \
     junit) gives the same bytes again.",
    "The plan's BLAKE3 is that of the file's bytes (`b3sum PLAN`). plan.resolved.yaml is the plan as it was applied, with \
     everything that was set on the command line.",
    "A root is a BLAKE3 Merkle root over every value of a snapshot. `counterfoil snapshot URL -o DIR` of unchanged data \
     prints the same root; another root means that the data changed since.",
    "differences.parquet holds every difference that row_diff found, one row each: any Parquet reader opens it, as does \
     `counterfoil show RUN`.",
];

/// Bytes of memory as people say them.
pub fn memory(bytes: u64) -> String {
    format!("{} MiB", number(bytes.div_ceil(1 << 20)))
}
