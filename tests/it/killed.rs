//! Processes killed at any moment: what they leave breaks nothing, and the next one goes on from it to the same answer.
//!
//! `COUNTERFOIL_KILLS` sets how many.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Twins, counterfoil, report};

const KILLS: u32 = 12;

/// A table that comes in the order of its key, and one that doesn't and has to be sorted on disk.
fn sql(wrong: &str) -> String {
    format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 150000)
           INSERT INTO t SELECT i, 'name '||i FROM n;
         CREATE TABLE s(k TEXT PRIMARY KEY, v INTEGER, note TEXT);
         INSERT INTO s SELECT (id * 7919 % 150001)||'-key', id, 'a note of some length about '||id FROM t;
         {wrong}"
    )
}

const WRONG: &str = "UPDATE s SET v = v + 1 WHERE v % 1000 = 0; DELETE FROM t WHERE id = 77777;";
const TABLES: &str = "  t: { from: old.t }\n  s: { from: old.s }\n";

fn kills() -> u32 {
    std::env::var("COUNTERFOIL_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(KILLS)
}

/// Moments between nothing and `longest`, the same in each run of the tests.
fn moments(longest: Duration) -> impl Iterator<Item = Duration> {
    let mut state = 7_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        longest.mul_f64((state >> 11) as f64 / (1_u64 << 53) as f64)
    })
}

fn started(arguments: &[&str], folder: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Starts the program and kills it; whether it was still there.
fn killed(arguments: &[&str], folder: &Path, after: Duration) -> bool {
    let mut child = started(arguments, folder);
    std::thread::sleep(after);
    child.kill().expect("killed");
    child.wait().expect("ended").code().is_none()
}

/// What a run found, without times, and without how its snapshots came to be.
fn found(report: &Value) -> Value {
    let of = |check: &Value| {
        let mut check = check.clone();
        check["duration_ms"] = Value::Null;
        check
    };
    let roots: Vec<&Value> =
        report["snapshots"].as_array().expect("snapshots").iter().map(|s| &s["root"]).collect();
    let checks: Vec<Value> = report["checks"].as_array().expect("checks").iter().map(of).collect();
    serde_json::json!({ "verdict": report["verdict"], "roots": roots, "checks": checks, "tables": report["tables"] })
}

fn left_behind(folder: &Path) -> usize {
    let entries = folder.read_dir().expect("a folder").flatten();
    entries.filter(|e| e.file_name().to_string_lossy().starts_with(".counterfoil-")).count()
}

#[test]
fn killed_runs_are_gone_on_with_to_the_same_answer() {
    let twins = Twins::new(&sql(""), &sql(WRONG), TABLES);
    let folder = twins.folder.path();
    let arguments = ["run", "plan.yaml", "--out", "out", "--memory", "1MiB"];
    let run = || counterfoil().args(arguments).current_dir(folder).output().expect("it starts");
    let started = Instant::now();
    assert_eq!(run().status.code(), Some(1));
    let whole = started.elapsed();
    let wanted = (found(&report(&twins.path("out"))), differences(folder));
    assert_eq!(wanted.0["tables"][0]["missing_in_target"], 1);
    std::fs::remove_dir_all(twins.path("out")).expect("removed");
    let mut resumed = 0;
    for (number, moment) in (1..=kills()).zip(moments(whole)) {
        // Killed at its very end it may have been published.
        if !killed(&arguments, folder, moment) || twins.path("out").exists() {
            std::fs::remove_dir_all(twins.path("out")).expect("removed");
            continue;
        }
        assert!(left_behind(folder) <= 1, "one is left at most, however often it was killed");
        // Mostly once, now and then several times before it may finish.
        if number % 3 != 0 {
            let ran = run();
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(1), "{said}");
            resumed += u32::from(said.contains("going on with a run that was killed"));
            assert_eq!(
                (found(&report(&twins.path("out"))), differences(folder)),
                wanted,
                "killed after {moment:?}"
            );
            assert_eq!(left_behind(folder), 0);
            std::fs::remove_dir_all(twins.path("out")).expect("removed");
        }
    }
    assert!(resumed > 0, "none was gone on with");
}

fn differences(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("out/differences.parquet")).expect("differences")
}

#[test]
fn killed_snapshots_are_gone_on_with_to_the_same_root() {
    let twins = Twins::new(&sql(""), "CREATE TABLE t(id INTEGER PRIMARY KEY);", TABLES);
    let folder = twins.folder.path();
    let arguments = ["snapshot", "sqlite:source.db", "-o", "out", "--memory", "1MiB"];
    let take = || {
        let ran =
            counterfoil().args(arguments).arg("--json").current_dir(folder).output().expect("it starts");
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        let said: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
        std::fs::remove_dir_all(twins.path("out")).expect("removed");
        said["root"].clone()
    };
    let started = Instant::now();
    let root = take();
    for moment in moments(started.elapsed()).take(kills() as usize) {
        // Killed at its very end it may have been published.
        if killed(&arguments, folder, moment) && !twins.path("out").exists() {
            assert_eq!(take(), root, "killed after {moment:?}");
        } else {
            std::fs::remove_dir_all(twins.path("out")).expect("removed");
        }
    }
    assert_eq!((take(), left_behind(folder)), (root, 0));
}

/// Runs the program under limits of the shell's.
fn limited(limits: &str, arguments: &[&str], folder: &Path) -> std::process::Output {
    Command::new("bash")
        .arg("-c")
        .arg(format!("trap '' XFSZ; {limits}; exec \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_counterfoil"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("bash starts")
}

#[test]
fn a_disk_that_fills_up_anywhere_is_an_error_and_leaves_nothing() {
    let twins = Twins::new(&sql(""), &sql(WRONG), TABLES);
    let folder = twins.folder.path();
    let arguments = ["run", "plan.yaml", "--out", "out", "--memory", "1MiB"];
    let mut full = 0;
    // In units of 1,024 bytes a file: from the log to the last sorted run.
    for most in [1, 40, 300, 1_000, 2_500, 4_000, 6_000, 12_000] {
        let ran = limited(&format!("ulimit -f {most}"), &arguments, folder);
        let said = String::from_utf8_lossy(&ran.stderr);
        match ran.status.code() {
            Some(2) => {
                full += 1;
                assert!(said.contains("failed to") && !said.contains("panicked"), "{most}: {said}");
            }
            code => {
                assert_eq!(code, Some(1), "{most}: {said}");
                assert_eq!(report(&twins.path("out"))["tables"][1]["changed"], 150);
                std::fs::remove_dir_all(twins.path("out")).expect("removed");
            }
        }
        assert!(!twins.path("out").exists());
        assert_eq!(left_behind(folder), 0, "{most}");
    }
    assert!((3..8).contains(&full), "{full} of 8 limits were met");
}

#[test]
fn without_memory_there_is_no_answer_and_the_next_run_has_one() {
    let twins = Twins::new(&sql(""), &sql(WRONG), TABLES);
    let folder = twins.folder.path();
    let arguments = ["run", "plan.yaml", "--out", "out", "--threads", "1"];
    let mut without = 0;
    // In KiB of address space.
    for most in [90_000, 120_000, 160_000, 240_000, 320_000] {
        let ran = limited(&format!("ulimit -v {most}"), &arguments, folder);
        if ran.status.code() == Some(1) {
            std::fs::remove_dir_all(twins.path("out")).expect("removed");
            continue;
        }
        without += 1;
        assert!(!twins.path("out").exists(), "{most}");
        assert_ne!(ran.status.code(), Some(0), "{most}");
    }
    assert!(without > 0, "there was always enough");
    let ran = counterfoil().args(arguments).current_dir(folder).output().expect("it starts");
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(report(&twins.path("out"))["tables"][1]["changed"], 150);
    assert_eq!(left_behind(folder), 0);
}

#[test]
fn nothing_is_gone_on_with_where_a_source_changed() {
    let twins = Twins::new(&sql(""), &sql(WRONG), TABLES);
    let folder = twins.folder.path();
    let arguments = ["run", "plan.yaml", "--out", "out"];
    let mut child = started(&arguments, folder);
    while left_behind(folder) == 0 {
        assert!(child.try_wait().expect("waited").is_none(), "it ended without ever beginning");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(left_behind(folder), 1, "it was killed in the middle");
    let db = rusqlite::Connection::open(twins.path("source.db")).expect("a database");
    db.execute_batch("UPDATE t SET name = 'another' WHERE id = 1;").expect("SQL");
    drop(db);
    let ran = counterfoil().args(arguments).current_dir(folder).output().expect("it starts");
    assert!(!String::from_utf8_lossy(&ran.stderr).contains("going on"));
    assert_eq!(report(&twins.path("out"))["tables"][0]["changed"], 1);
    assert_eq!(left_behind(folder), 0, "what is of no use any more is gone");
}
