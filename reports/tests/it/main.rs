//! What the renderings look like, as snapshots; and what no value may do to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use counterfoil_model::finding::{Coverage, NotCompared};
use counterfoil_model::lineage::SourceAccount;
use counterfoil_model::report::{
    CheckResult, GateResult, MergeShown, Pairing, PlanIdentity, Report, Run, RunCoverage, SCHEMA,
    SnapshotIdentity, TableResult, WaiverResult,
};
use counterfoil_model::{Finding, FindingKind, Level, Rule, Verdict};
use counterfoil_reports::{TerminalOptions, html, json, junit, markdown, schema, terminal};

fn finding(key: &str, column: &str, expected: Option<&str>, actual: Option<&str>) -> Finding {
    Finding {
        kind: FindingKind::Changed,
        level: Level::Error,
        key: Some(key.into()),
        column: Some(column.into()),
        expected: expected.map(str::to_owned),
        actual: actual.map(str::to_owned),
        rule: Some(Rule::Txt1),
        message: "the values differ".into(),
    }
}

fn check(id: &str, verdict: Verdict, findings: Vec<Finding>) -> CheckResult {
    let (table, validator) = id.split_once('.').unwrap();
    CheckResult {
        id: id.into(),
        validator: validator.into(),
        table: table.into(),
        columns: vec![],
        severity: "error".into(),
        verdict,
        checked: if verdict == Verdict::Inconclusive { 0 } else { 1_234 },
        failed: findings.len() as u64,
        rules: vec![Rule::Txt1],
        message: "in a sentence".into(),
        total: findings.len() as u64,
        findings,
        coverage: Coverage { notes: vec!["id is read as uuid".into()], ..Coverage::default() },
        duration_ms: 12,
    }
}

fn report() -> Report {
    let long = "x".repeat(5_000);
    let nasty = vec![
        finding("[\"a|b\"]", "bio", Some("<script>alert(1)</script>"), None),
        finding("[\"rtl\"]", "bio", Some(""), Some("a\u{202e}b\nc|d")),
        finding("[7]", "bio", Some(&format!("{long}y")), Some(&format!("{long}z"))),
        finding("[8]", "bio", Some("null"), None),
    ];
    let inherited = Finding {
        kind: FindingKind::OrphanInherited,
        level: Level::Warning,
        rule: None,
        message: "no such review in the source either".into(),
        ..finding("[9]", "review_id", None, Some("r\\n9"))
    };
    Report {
        schema: SCHEMA.into(),
        run: Run {
            id: "run-1".into(),
            phase: None,
            started_at: "2026-01-05T10:00:00Z".into(),
            finished_at: "2026-01-05T10:00:03Z".into(),
            version: "0.0.0".into(),
            peak_rss_bytes: Some(44_040_192),
        },
        plan: PlanIdentity {
            name: "nasty & <b>".into(),
            path: "plan.yaml".into(),
            blake3: "00".repeat(32),
            set: vec![],
        },
        snapshots: vec![SnapshotIdentity {
            connection: "app".into(),
            url: "sqlite:app.db".into(),
            taken_at: "2026-01-05T10:00:00Z".into(),
            tables: 1,
            rows: 1_234_567,
            root: Some("ab".repeat(32)),
            consistency: "one read transaction".into(),
        }],
        verdict: Verdict::Fail,
        gate: GateResult {
            pass_rate: 1.0 / 3.0,
            required: 1.0,
            passed: 1,
            failed: 1,
            inconclusive: 1,
            waived: 0,
            exit_code: 1,
            reason: "1 of 3 checks failed".into(),
        },
        coverage: RunCoverage {
            verdict: Verdict::Inconclusive,
            rows: 1_234_567,
            cells: 9_999_999,
            not_compared: vec![NotCompared {
                table: "users".into(),
                column: Some("app.users.nick".into()),
                cells: 12,
                reason: "no target column takes this source field".into(),
                ignored: false,
            }],
        },
        tables: vec![TableResult {
            name: "users".into(),
            sources: vec![SourceAccount {
                source: "old.users".into(),
                rows: 10,
                filtered: 1,
                exploded: 9,
                merged: 2,
                kept: 7,
            }],
            key: vec!["id".into()],
            expected: 1_234_567,
            actual: 1_234_566,
            matched: Some(1_234_560),
            missing_in_target: Some(1),
            extra_in_target: Some(0),
            changed: Some(4),
            duplicate_key: None,
            pairings: vec![Pairing {
                column: "email".into(),
                from: "lower(email)".into(),
                by: "plan".into(),
                read_as: None,
                tolerances: vec!["trim".into()],
            }],
            merges: vec![MergeShown {
                from: "old.users [\"u2\"]".into(),
                into: "old.users [\"u1\"]".into(),
                identity: "a@b.c".into(),
            }],
            merges_total: 2,
        }],
        checks: vec![
            check("users.row_count", Verdict::Pass, vec![]),
            check("users.row_diff", Verdict::Fail, nasty),
            check("users.orphan", Verdict::Inconclusive, vec![]),
            check("gone.orphan", Verdict::Pass, vec![inherited]),
        ],
        causes: vec![],
        waivers: vec![WaiverResult {
            id: "W-1".into(),
            owner: "data".into(),
            reason: "legacy".into(),
            until: None,
            findings: 0,
            status: "unused".into(),
        }],
    }
}

#[test]
fn markdown_as_an_auditor_reads_it() {
    insta::assert_snapshot!(markdown(&report()));
}

#[test]
fn terminal_of_eighty_columns_without_colours() {
    let text = terminal(&report(), &TerminalOptions { width: Some(80), color: false });
    assert!(!text.contains('\u{1b}'), "no escape codes where nothing shows colours");
    insta::assert_snapshot!(text);
}

#[test]
fn junit_as_ci_reads_it() {
    insta::assert_snapshot!(junit(&report()));
}

#[test]
fn no_value_breaks_out_of_its_place() {
    let page = html(&report());
    assert!(!page.contains("<script"), "nothing in a value is markup");
    assert!(page.contains("&lt;script&gt;"));
    for text in [page, markdown(&report()), junit(&report())] {
        assert!(!text.contains('\u{202e}'), "nothing turns the direction of text");
        assert!(text.len() < 40_000, "long values are cut");
    }
    let text = markdown(&report());
    let rows: Vec<&str> = text.lines().filter(|l| l.starts_with("| changed")).collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }
}

#[test]
fn null_and_the_text_null_are_told_apart() {
    let text = markdown(&report());
    let row = text.lines().find(|l| l.contains("\\[8\\]")).expect("the finding is there");
    assert!(row.contains("| 'null' | null |"), "{row}");
}

#[test]
fn a_warning_says_so_and_nothing_is_expected_where_nothing_was() {
    let text = markdown(&report());
    let row = text.lines().find(|l| l.contains("orphan_inherited")).expect("the finding is there");
    assert!(
        row.contains("| orphan_inherited (warning) | \\[9\\] | review\\_id |  | 'r\\\\\\\\n9' |"),
        "{row}"
    );
    let text = terminal(&report(), &TerminalOptions { width: Some(80), color: false });
    let line = text.lines().find(|l| l.contains("orphan_inherited")).expect("the finding is there");
    assert!(line.contains("(warning) [9] review_id") && !line.contains("expected"), "{line}");
    assert!(html(&report()).contains("<span class=\"warning\">orphan_inherited (warning)</span>"));
}

#[test]
fn junit_shows_checks_of_tables_that_are_not_in_the_report() {
    assert!(junit(&report()).contains("name=\"gone.orphan\""));
}

#[test]
fn a_run_that_compared_nothing_does_not_say_that_nothing_was_left_out() {
    let mut report = report();
    report.coverage.not_compared.clear();
    report.coverage.cells = 0;
    for text in [markdown(&report), html(&report)] {
        assert!(text.contains("Nothing was compared.") && !text.contains("Nothing was left out."), "{text}");
    }
}

#[test]
fn json_comes_back_and_fits_its_schema() {
    let text = json(&report()).expect("JSON");
    let back: Report = serde_json::from_str(&text).expect("a report");
    assert_eq!(back, report());
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    let value = serde_json::from_str(&text).expect("JSON");
    assert!(validator.is_valid(&value));
    let mut other: serde_json::Value = value;
    other["schema"] = "counterfoil/report/0".into();
    assert!(!validator.is_valid(&other), "the schema is for one version of the report");
}
