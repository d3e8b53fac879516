//! `junit.xml`: a suite a table, a case a check. A failed check is a `<failure>`, one that could not decide an `<error>`:
//! CI shows both, and neither looks like a pass.

use std::fmt::Write;

use counterfoil_model::Verdict;
use counterfoil_model::report::{CheckResult, Report};

use crate::text::{both, visible};

/// The checks as JUnit XML.
pub fn junit(report: &Report) -> String {
    let gate = &report.gate;
    let total = gate.passed + gate.failed + gate.inconclusive;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a String can't fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{total}\" failures=\"{}\" errors=\"{}\">",
        xml(&report.plan.name),
        gate.failed,
        gate.inconclusive
    );
    for table in &report.tables {
        let checks: Vec<&CheckResult> = report.checks.iter().filter(|c| c.table == table.name).collect();
        let count = |v| checks.iter().filter(|c| c.verdict == v).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" timestamp=\"{}\">",
            xml(&table.name),
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
        let (expected, actual) = both(f.expected.as_deref(), f.actual.as_deref());
        let (key, column) = (f.key.as_deref().unwrap_or("-"), f.column.as_deref().unwrap_or("-"));
        let line =
            format!("{} {key} {column} expected {expected} actual {actual}: {}", f.kind.name(), f.message);
        let _ = writeln!(out, "{}", xml(&line));
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
