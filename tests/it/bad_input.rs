//! Bad input: one clear message, the right exit code, no panic, and earlier runs whole.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Ran, Twins, counterfoil, report, root, run_plan};

const ONE_ROW: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1,'a');";
const MANY_ROWS: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 400000) INSERT INTO t SELECT i, 'name '||i FROM n;";
const PLAIN: &str = "  t: { from: old.t }\n";

fn assert_undecided(ran: &Ran, message: &str) {
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(message), "'{message}' is not in:\n{}", ran.stderr);
}

/// No run, and nothing half-written, is left beside `out`.
fn assert_nothing_left(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n == "out" || n.starts_with(".counterfoil"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn three_mistakes_in_a_plan_are_all_shown() {
    let twins =
        Twins::new(ONE_ROW, ONE_ROW, "  t: { form: old.t }\n  u: { from: odl.t, checks: [row_cuont] }\n");
    let ran = twins.run(&[]);
    assert_undecided(&ran, "form");
    for part in ["did you mean 'from'", "did you mean 'old'", "did you mean 'row_count'", "plan.yaml:"] {
        assert!(ran.stderr.contains(part), "'{part}' is not in:\n{}", ran.stderr);
    }
    assert_nothing_left(twins.folder.path());
}

#[test]
fn a_missing_plan_is_named() {
    let ran: Ran = counterfoil().args(["run", "no/such/plan.yaml"]).output().expect("it starts").into();
    assert_undecided(&ran, "no/such/plan.yaml");
}

#[test]
fn a_missing_database_is_named() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, PLAIN);
    fs::remove_file(twins.path("target.db")).expect("removed");
    let ran = twins.run(&[]);
    assert_undecided(&ran, "target.db");
    assert!(!twins.path("target.db").exists(), "opening must not create it");
    assert_nothing_left(twins.folder.path());
}

#[test]
fn a_file_that_is_no_database_is_said_to_be_none() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, PLAIN);
    fs::write(twins.path("target.db"), "this is a text, and a long enough one to have a header ".repeat(50))
        .expect("written");
    assert_undecided(&twins.run(&[]), "not a database");
}

#[test]
fn an_unset_variable_is_named_and_a_secret_never_shown() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, PLAIN);
    let set = "connections.new.url=${COUNTERFOIL_TEST_URL}";
    assert_undecided(&twins.run(&["--set", set]), "COUNTERFOIL_TEST_URL");
    let ran: Ran = counterfoil()
        .env("COUNTERFOIL_TEST_URL", "sqlite:user:hunter2@nowhere.db")
        .arg("run")
        .arg(twins.path("plan.yaml"))
        .args(["--out", twins.path("out").to_str().expect("UTF-8"), "--set", set])
        .output()
        .expect("it starts")
        .into();
    assert_eq!(ran.code, 2);
    assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{}", ran.stderr);
}

fn damaged_export(damage: impl FnOnce(&mut Vec<u8>)) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&root().join("fixtures/codable-guide"), folder.path());
    let output = find(folder.path(), "output-0").expect("an output file");
    let mut bytes = fs::read(&output).expect("read");
    damage(&mut bytes);
    fs::write(&output, bytes).expect("written");
    let ran = run_plan(&folder.path().join("plan.yaml"), &folder.path().join("out"), &[]);
    assert_nothing_left(folder.path());
    ran
}

#[test]
fn a_truncated_export_is_an_error_with_file_and_offset() {
    let ran = damaged_export(|bytes| bytes.truncate(bytes.len() / 2));
    assert_undecided(&ran, "output-0");
    assert!(ran.stderr.contains("byte") || ran.stderr.contains("offset"), "{}", ran.stderr);
}

#[test]
fn a_corrupted_export_is_an_error_with_file_and_offset() {
    let ran = damaged_export(|bytes| bytes[100] ^= 0x10);
    assert_undecided(&ran, "output-0");
    assert!(ran.stderr.contains("byte") || ran.stderr.contains("offset"), "{}", ran.stderr);
}

#[test]
fn a_table_that_is_not_there_comes_with_the_nearest_name() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, "  t: { from: old.tt }\n");
    assert_undecided(&twins.run(&[]), "did you mean 't'");
}

#[test]
fn null_keys_are_findings_and_nulls_equal_each_other() {
    let schema = "CREATE TABLE t(id TEXT, name TEXT);";
    let source = format!("{schema} INSERT INTO t VALUES (NULL,'a'),('x','b');");
    let twins = Twins::new(&source, &source, "  t: { from: old.t, key: id }\n");
    assert_eq!(twins.run(&[]).code, 1);
    let check = twins.check("t.row_diff");
    assert_eq!(check["findings"].as_array().map(Vec::len), Some(1), "{check:#}");
    assert_eq!(check["findings"][0]["kind"], "null_key");
    assert_eq!(check["findings"][0]["key"], "[null]");
    assert_eq!(twins.report()["tables"][0]["missing_in_target"], 0);
}

#[test]
fn keys_that_are_not_unique_are_findings() {
    let schema = "CREATE TABLE t(id INTEGER, name TEXT);";
    let source = format!("{schema} INSERT INTO t VALUES (1,'a'),(2,'b');");
    let target = format!("{schema} INSERT INTO t VALUES (1,'a'),(2,'b'),(2,'b');");
    let twins = Twins::new(&source, &target, "  t: { from: old.t, key: id }\n");
    assert_eq!(twins.run(&[]).code, 1);
    let check = twins.check("t.row_diff");
    assert_eq!(check["findings"][0]["kind"], "duplicate_key", "{check:#}");
    assert_eq!(check["findings"][0]["key"], "[2]");
    // Also where both sides agree on them: what isn't unique is no key.
    let twins = Twins::new(&target, &target, "  t: { from: old.t, key: id }\n");
    assert_eq!(twins.run(&[]).code, 1);
    let check = twins.check("t.row_diff");
    assert_eq!(check["findings"].as_array().map(Vec::len), Some(1), "{check:#}");
    assert_eq!(
        (&check["findings"][0]["kind"], &check["findings"][0]["key"]),
        (&"duplicate_key".into(), &"[2]".into())
    );
}

#[test]
fn empty_on_both_sides_is_inconclusive_unless_allowed() {
    let empty = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);";
    let twins = Twins::new(empty, empty, PLAIN);
    let ran = twins.run(&[]);
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(twins.report()["verdict"], "inconclusive");
    assert_eq!(twins.check("t.row_diff")["verdict"], "inconclusive");
    assert_eq!(twins.check("t.row_count")["verdict"], "inconclusive");
    assert_eq!(twins.run(&["--set", "tables.t.allow_empty=true"]).code, 0);
    assert!(twins.check("t.row_diff")["message"].as_str().is_some_and(|m| m.contains("allows")));
}

#[test]
fn a_mapping_that_drops_all_rows_is_no_pass() {
    let empty = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);";
    let twins = Twins::new(ONE_ROW, empty, "  t: { from: old.t, where: \"id < 0\" }\n");
    assert_eq!(twins.run(&[]).code, 2);
    assert_eq!(twins.report()["verdict"], "inconclusive");
    let sources = &twins.report()["tables"][0]["sources"][0];
    assert_eq!((&sources["rows"], &sources["filtered"]), (&1.into(), &1.into()));
}

#[test]
fn a_wrong_expression_is_an_error_at_its_line() {
    let twins =
        Twins::new(ONE_ROW, ONE_ROW, "  t:\n    from: old.t\n    columns:\n      name: \"lower(nmae)\"\n");
    let ran = twins.run(&[]);
    assert_undecided(&ran, "did you mean 'name'");
    assert!(ran.stderr.contains("plan.yaml:11"), "{}", ran.stderr);
}

#[test]
fn a_database_locked_by_a_writer_is_said_to_be_locked() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, PLAIN);
    let writer = rusqlite::Connection::open(twins.path("target.db")).expect("opened");
    writer.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES (2,'b');").expect("locked");
    assert_undecided(&twins.run(&[]), "lock");
    drop(writer);
    assert_eq!(twins.run(&[]).code, 0);
}

#[test]
fn a_source_column_without_partner_is_inconclusive_unless_ignored() {
    let source =
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, extra TEXT); INSERT INTO t VALUES (1,'a','b');";
    let twins = Twins::new(source, ONE_ROW, PLAIN);
    assert_eq!(twins.run(&[]).code, 2);
    assert_eq!(twins.check("t.row_diff")["verdict"], "inconclusive");
    assert_eq!(twins.run(&["--set", "tables.t.ignore={extra: not wanted}"]).code, 0);
}

#[test]
fn a_table_that_the_plan_does_not_name_blocks_the_gate() {
    let target = format!("{ONE_ROW} CREATE TABLE more(id INTEGER PRIMARY KEY);");
    let twins = Twins::new(ONE_ROW, &target, PLAIN);
    assert_eq!(twins.run(&[]).code, 2);
    assert_eq!(twins.report()["coverage"]["verdict"], "inconclusive");
    assert_eq!(twins.run(&["--set", "ignore={new.more: not ours}"]).code, 0);
}

#[test]
fn an_output_folder_that_can_not_be_written_is_named() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, PLAIN);
    // A file where a folder should be: refused for every user, root included.
    fs::write(twins.path("taken"), "a file").expect("written");
    let out = twins.path("taken/out");
    let ran = run_plan(&twins.path("plan.yaml"), &out, &[]);
    assert_undecided(&ran, "taken");
    assert_undecided(&run_plan(&twins.path("plan.yaml"), Path::new("/proc/counterfoil"), &[]), "/proc");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let twins = Twins::new(MANY_ROWS, MANY_ROWS, PLAIN);
    // A limit on file sizes stands in for the disk's end: writes fail in the middle of a file.
    let script = "trap '' XFSZ; ulimit -f 512; exec \"$0\" run \"$1\" --out \"$2\"";
    let output = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_counterfoil")])
        .arg(twins.path("plan.yaml"))
        .arg(twins.path("out"))
        .output()
        .expect("it starts");
    let ran = Ran::from(output);
    assert_undecided(&ran, "failed to write");
    assert_nothing_left(twins.folder.path());
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_no_half_written_run_and_earlier_runs_whole() {
    let twins = Twins::new(MANY_ROWS, MANY_ROWS, PLAIN);
    assert_eq!(twins.run(&["--set", "report.formats=[json]"]).code, 0);
    let earlier = twins.path("earlier");
    fs::rename(twins.path("out"), &earlier).expect("renamed");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .arg("run")
        .arg(twins.path("plan.yaml"))
        .arg("--out")
        .arg(twins.path("out"))
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = child.id();
    let started = Instant::now();
    // As soon as its temporary folder is there, the run is under way.
    while !twins.path(&format!(".counterfoil-{pid}")).exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "the run never began");
        assert!(
            child.try_wait().expect("waited").is_none(),
            "the run was over before it could be interrupted"
        );
    }
    let killed = std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().expect("kill");
    assert!(killed.success());
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert_nothing_left(twins.folder.path());
    assert_eq!(report(&earlier)["verdict"], "pass");
}

#[test]
fn a_mapping_that_would_not_fit_in_memory_is_refused_at_its_line() {
    for mapping in [
        "  t: { from: old.t, columns: { name: \"upper(name)\" } }\n",
        "  t: { sql: \"SELECT id, name FROM old.t\", key: id }\n",
    ] {
        let twins = Twins::new(MANY_ROWS, MANY_ROWS, mapping);
        let ran = twins.run(&["--memory", "20MiB"]);
        assert_undecided(&ran, "400,000 rows would take about");
        assert!(
            ran.stderr.contains("--memory allows 20") && ran.stderr.contains("plan.yaml:8"),
            "{}",
            ran.stderr
        );
        assert_nothing_left(twins.folder.path());
    }
    // The same rows by their columns' names alone need no room.
    assert_eq!(Twins::new(MANY_ROWS, MANY_ROWS, PLAIN).run(&["--memory", "20MiB"]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_file_that_changes_while_it_is_read_decides_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..400_000).map(|i| format!("{i},name {i}\n")).collect();
    for name in ["a.csv", "b.csv"] {
        fs::write(folder.path().join(name), format!("id,name\n{rows}")).expect("written");
    }
    let plan = "version: 1\nconnections:\n  a: { url: \"csv:a.csv\" }\n  b: { url: \"csv:b.csv\" }\ntarget: b\ntables:\n  b: { from: a.a, key: id }\n";
    fs::write(folder.path().join("plan.yaml"), plan).expect("a plan");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.args(["run", "plan.yaml", "--out", "out"]).current_dir(folder.path());
    let child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn();
    let child = child.expect("it starts");
    let begun = || folder.path().join(format!(".counterfoil-{}", child.id())).exists();
    let started = Instant::now();
    while !begun() {
        assert!(started.elapsed() < Duration::from_secs(60), "the run never began");
    }
    let mut file = fs::OpenOptions::new().append(true).open(folder.path().join("b.csv")).expect("open");
    std::io::Write::write_all(&mut file, b"400000,late\n").expect("written");
    drop(file);
    let ended = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("changed while it was read"), "{said}");
    assert_nothing_left(folder.path());
}

#[test]
fn an_earlier_run_is_never_overwritten() {
    let twins = Twins::new(ONE_ROW, ONE_ROW, PLAIN);
    assert_eq!(twins.run(&[]).code, 0);
    let before = fs::read(twins.path("out/report.json")).expect("a report");
    let ran = run_plan(&twins.path("plan.yaml"), &twins.path("out"), &[]);
    assert_undecided(&ran, "exists already");
    assert_eq!(fs::read(twins.path("out/report.json")).expect("a report"), before);
}

#[test]
fn masked_columns_show_nowhere() {
    let source = "CREATE TABLE t(email TEXT PRIMARY KEY, n INTEGER); INSERT INTO t VALUES ('secret-a@b.c',1),('secret-d@e.f',2);";
    let target =
        "CREATE TABLE t(email TEXT PRIMARY KEY, n INTEGER); INSERT INTO t VALUES ('secret-a@b.c',7);";
    let twins = Twins::new(source, target, PLAIN);
    let ran = twins.run(&["--set", "report.mask=[t.email]"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(!ran.stdout.contains("secret-"), "{}", ran.stdout);
    let show: Ran = counterfoil()
        .arg("show")
        .arg(twins.path("out"))
        .args(["--format", "json"])
        .output()
        .expect("it starts")
        .into();
    assert!(show.stdout.contains("[masked]") && !show.stdout.contains("secret-"), "{}", show.stdout);
    for file in fs::read_dir(twins.path("out")).expect("the run").flatten() {
        let bytes = fs::read(file.path()).expect("read");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("secret-"), "{:?}", file.path());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("the folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if entry.file_name() == name {
            return Some(path);
        }
    }
    None
}
