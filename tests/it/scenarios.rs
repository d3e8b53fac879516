//! What is found must equal what was planted: no miss, no extra.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::support::{report, root, run_plan};

#[derive(Deserialize)]
struct Planted {
    defects: Vec<Defect>,
}

#[derive(Deserialize)]
struct Defect {
    id: String,
    findings: Vec<PlantedFinding>,
}

#[derive(Deserialize)]
struct PlantedFinding {
    check: String,
    kind: String,
    #[serde(default)]
    key: Option<Vec<Value>>,
    #[serde(default)]
    column: Option<String>,
    #[serde(default)]
    actual: Option<String>,
}

/// One finding as text, so that sets of them can be compared and read.
fn line(check: &str, kind: &str, key: Option<&str>, column: Option<&str>, actual: Option<&str>) -> String {
    format!("{check} {kind} {} {} {}", key.unwrap_or("-"), column.unwrap_or("-"), actual.unwrap_or("-"))
}

fn planted(path: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(path).expect("planted.yaml");
    let planted: Planted =
        serde_saphyr::from_str(&text).expect("planted.yaml is what fixtures/README.md says");
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for defect in planted.defects {
        for f in defect.findings {
            let key = f.key.map(|k| Value::Array(k).to_string());
            let line = line(&f.check, &f.kind, key.as_deref(), f.column.as_deref(), f.actual.as_deref());
            lines.entry(line).or_default().push(defect.id.clone());
        }
    }
    lines
}

fn found(report: &Value) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for check in report["checks"].as_array().expect("checks") {
        let findings = check["findings"].as_array().expect("findings");
        assert_eq!(check["total"], findings.len(), "{} shows all it found", check["id"]);
        for f in findings {
            // Only identities have no key, so only there `actual` tells findings apart.
            let identity = f["kind"].as_str().is_some_and(|k| k.starts_with("identity_"));
            let actual = f["actual"].as_str().filter(|_| identity);
            let text = |name: &str| f[name].as_str();
            let line = line(
                check["id"].as_str().unwrap_or(""),
                text("kind").unwrap_or(""),
                text("key"),
                text("column"),
                actual,
            );
            *lines.entry(line).or_insert(0) += 1;
        }
    }
    lines
}

fn assert_found_is_planted(folder: &str) {
    let out = tempfile::tempdir().expect("a folder");
    let folder = root().join(folder);
    let ran = run_plan(
        &folder.join("plan.yaml"),
        &out.path().join("run"),
        &["--set", "report.max_findings=100000"],
    );
    assert!(ran.code <= 1, "{}{}", ran.stdout, ran.stderr);
    let report = report(&out.path().join("run"));
    let found = found(&report);
    let planted = planted(&folder.join("planted.yaml"));
    let missed: Vec<_> = planted.iter().filter(|(l, ids)| found.get(*l) != Some(&ids.len())).collect();
    let extra: Vec<_> = found.iter().filter(|(l, n)| planted.get(*l).map(Vec::len) != Some(**n)).collect();
    assert!(
        missed.is_empty() && extra.is_empty(),
        "planted, not found so: {missed:#?}\nfound, not planted so: {extra:#?}"
    );
}

fn assert_clean(plan: &str) {
    let out = tempfile::tempdir().expect("a folder");
    let ran = run_plan(&root().join(plan), &out.path().join("run"), &[]);
    let report = report(&out.path().join("run"));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["gate"]["pass_rate"], 1.0);
    assert_eq!(report["coverage"]["verdict"], "pass");
    for check in report["checks"].as_array().expect("checks") {
        assert!(check["checked"].as_u64() > Some(0), "{} compared nothing", check["id"]);
    }
}

#[test]
fn moonlanding_damage_is_found_exactly() {
    assert_found_is_planted("fixtures/moonlanding");
}

#[test]
fn moonlanding_damaged_exits_with_1() {
    let out = tempfile::tempdir().expect("a folder");
    let ran = run_plan(&root().join("fixtures/moonlanding/plan.yaml"), &out.path().join("run"), &[]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

#[test]
fn moonlanding_clean_passes_whole() {
    assert_clean("fixtures/moonlanding/clean/plan.yaml");
}

#[test]
fn chinook_differs_in_nothing_but_what_is_there() {
    assert_found_is_planted("fixtures/chinook");
    assert_clean("fixtures/chinook/plan.yaml");
}

#[test]
fn movies_export_matches_its_target() {
    assert_found_is_planted("fixtures/movies");
    assert_clean("fixtures/movies/plan.yaml");
}

#[test]
fn codable_guide_export_matches_its_target() {
    assert_found_is_planted("fixtures/codable-guide");
    assert_clean("fixtures/codable-guide/plan.yaml");
}
