//! `junit.xml`: a suite a table, a case a check. A failed check is a `<failure>`, one that could not decide an `<error>`:
//! CI shows both, and neither looks like a pass.

use std::fmt::Write;

use counterfoil_model::Verdict;
use counterfoil_model::report::{CheckResult, Report};

use crate::text::{self, SHOWN, Side, sides, visible};
use crate::view;

/// The checks as JUnit XML.
pub fn junit(report: &Report) -> String {
    let gate = &report.gate;
    let total = gate.passed + gate.failed + gate.inconclusive;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a String can't fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        xml(&report.plan.name),
        total + 1,
        gate.failed,
        gate.inconclusive + u64::from(gap(report))
    );
    run_suite(report, &mut out);
    for table in tables(report) {
        let checks: Vec<&CheckResult> = report.checks.iter().filter(|c| c.table == table).collect();
        let count = |v| checks.iter().filter(|c| c.verdict == v).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" timestamp=\"{}\">",
            xml(table),
            checks.len(),
            count(Verdict::Fail),
            count(Verdict::Inconclusive),
            xml(&report.run.started_at)
        );
        checks.iter().for_each(|c| case(c, &mut out));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Tables with checks, each once, in the order of the checks.
fn tables(report: &Report) -> Vec<&str> {
    let mut tables: Vec<&str> = Vec::new();
    for check in &report.checks {
        if !tables.contains(&check.table.as_str()) {
            tables.push(&check.table);
        }
    }
    tables
}

/// Whether something was left out that the plan doesn't ignore, or nothing was checked at all.
fn gap(report: &Report) -> bool {
    report.coverage.verdict == Verdict::Inconclusive || report.checks.is_empty()
}

/// The run's own suite: a gap in the coverage must not look green.
fn run_suite(report: &Report, out: &mut String) {
    let errors = u8::from(gap(report));
    let _ = writeln!(out, "  <testsuite name=\"(run)\" tests=\"1\" failures=\"0\" errors=\"{errors}\">");
    out.push_str("    <testcase classname=\"(run)\" name=\"coverage\"");
    if gap(report) {
        out.push_str(">\n      <error message=\"not everything was compared\">\n");
        for n in report.coverage.not_compared.iter().filter(|n| !n.ignored) {
            let line =
                format!("{} {}: {}", n.table, n.column.as_deref().unwrap_or("(whole table)"), n.reason);
            let _ = writeln!(out, "{}", xml(&line));
        }
        out.push_str("      </error>\n    </testcase>\n");
    } else {
        out.push_str("/>\n");
    }
    out.push_str("  </testsuite>\n");
}

fn case(check: &CheckResult, out: &mut String) {
    let seconds = check.duration_ms as f64 / 1000.0;
    let _ = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\"",
        xml(&check.table),
        xml(&check.id)
    );
    let element = match check.verdict {
        Verdict::Pass => {
            out.push_str("/>\n");
            return;
        }
        Verdict::Fail => "failure",
        Verdict::Inconclusive => "error",
    };
    let _ = writeln!(out, ">\n      <{element} message=\"{}\">", xml(&check.message));
    for f in &check.findings {
        let (expected, actual) = sides(f, SHOWN);
        let mut line = view::kind(f);
        let place = [f.key.as_deref().map(text::key), f.column.clone()];
        place.into_iter().flatten().for_each(|part| line.push_str(&format!(" {part}")));
        for (word, side) in [("expected", expected), ("actual", actual)] {
            if side != Side::Nothing {
                line.push_str(&format!(" {word} {}", side.plain()));
            }
        }
        let _ = writeln!(out, "{}: {}", xml(&line), xml(&f.message));
    }
    if let Some(rest) = view::unshown(check) {
        let _ = writeln!(out, "{}", xml(&rest));
    }
    let _ = writeln!(out, "      </{element}>\n    </testcase>");
}

/// Text as XML: control characters, which XML can't hold, are spelled out.
fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
