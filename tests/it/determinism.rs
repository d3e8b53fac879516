//! The same inputs give the same report and differences, whatever the number of threads.

use serde_json::Value;

use crate::support::{report, root, run_plan};

/// The report without times and ids.
fn timeless(mut report: Value) -> Value {
    for field in ["id", "started_at", "finished_at", "peak_rss_bytes"] {
        report["run"][field] = Value::Null;
    }
    for snapshot in report["snapshots"].as_array_mut().expect("snapshots") {
        snapshot["taken_at"] = Value::Null;
    }
    for check in report["checks"].as_array_mut().expect("checks") {
        check["duration_ms"] = Value::Null;
    }
    report
}

#[test]
fn ten_runs_with_1_2_and_8_threads_are_identical() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = root().join("fixtures/moonlanding/plan.yaml");
    let mut first: Option<(Value, Vec<u8>)> = None;
    for run in 0..10 {
        let out = folder.path().join(format!("run-{run}"));
        let threads = ["1", "2", "8"][run % 3];
        let ran = run_plan(&plan, &out, &["--threads", threads]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let this =
            (timeless(report(&out)), std::fs::read(out.join("differences.parquet")).expect("differences"));
        match &first {
            None => first = Some(this),
            Some(first) => {
                assert_eq!(first.0, this.0, "run {run} with {threads} threads");
                assert!(first.1 == this.1, "differences.parquet of run {run} with {threads} threads");
            }
        }
    }
}
