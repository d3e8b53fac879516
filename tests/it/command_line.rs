//! Subcommands.

use serde_json::Value;

use crate::support::{Ran, Twins, counterfoil, root, run_plan};

fn ok(args: &[&str]) -> String {
    let ran: Ran = counterfoil().args(args).output().expect("it starts").into();
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    ran.stdout
}

#[test]
fn every_subcommand_has_help_with_examples() {
    for command in ["run", "snapshot", "show", "report", "validators", "schema", "completions"] {
        let help = ok(&[command, "--help"]);
        assert!(help.contains("Examples:") && help.contains(&format!("counterfoil {command}")), "{help}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(ok(&["completions", shell]).contains("counterfoil"), "{shell}");
    }
}

#[test]
fn the_plan_schema_accepts_every_plan_in_the_repository() {
    let schema: Value = serde_json::from_str(&ok(&["schema", "plan"])).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let mut plans = 0;
    for plan in ["moonlanding", "moonlanding/clean", "chinook", "movies", "codable-guide"] {
        let path = root().join("fixtures").join(plan).join("plan.yaml");
        let text = std::fs::read_to_string(&path).expect("a plan");
        // YAML 1.2: `y` is a column, not a truth value.
        let options = serde_saphyr::options! { strict_booleans: true };
        let value: Value = serde_saphyr::from_str_with_options(&text, options).expect("YAML");
        let problems: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{plan}: {problems:#?}");
        plans += 1;
    }
    assert_eq!(plans, 5);
    assert!(!validator.is_valid(&serde_json::json!({ "version": 1, "tables": {} })));
}

#[test]
fn reports_fit_their_schema_and_render_again() {
    let out = tempfile::tempdir().expect("a folder");
    let run = out.path().join("run");
    let ran = run_plan(&root().join("fixtures/moonlanding/plan.yaml"), &run, &[]);
    assert!(ran.stdout.contains("FAIL"), "{}", ran.stdout);
    let schema: Value = serde_json::from_str(&ok(&["schema", "report"])).expect("JSON");
    let report = crate::support::report(&run);
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let problems: Vec<String> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let again = ok(&["report", run.to_str().expect("UTF-8"), "--format", "json"]);
    assert_eq!(again, std::fs::read_to_string(run.join("report.json")).expect("report.json"));
    let markdown = ok(&["report", run.to_str().expect("UTF-8"), "--format", "markdown"]);
    assert_eq!(markdown, std::fs::read_to_string(run.join("report.md")).expect("report.md"));
}

#[test]
fn show_prints_the_differences_of_a_table() {
    let twins = Twins::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c');",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1,'a'),(2,NULL),(4,'');",
        "  t: { from: old.t }\n",
    );
    assert_eq!(twins.run(&[]).code, 1);
    let out = twins.path("out");
    let out = out.to_str().expect("UTF-8");
    let json: Value = serde_json::from_str(&ok(&["show", out, "--format", "json"])).expect("JSON");
    let lines: Vec<String> = json
        .as_array()
        .expect("an array")
        .iter()
        .map(|d| format!("{} {} {}", d["key"], d["outcome"], d["actual"]))
        .collect();
    assert_eq!(
        lines,
        [r#""[2]" "changed" null"#, r#""[3]" "missing_in_target" null"#, r#""[4]" "extra_in_target" null"#]
    );
    assert!(ok(&["show", out, "--table", "nothing"]).contains("no differences"));
    assert!(
        ok(&["show", out, "--format", "csv"])
            .starts_with("table,key,outcome,column,expected,actual,rule,cause")
    );
}

#[test]
fn a_snapshot_is_a_connection() {
    let twins = Twins::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x REAL, b BLOB); INSERT INTO t VALUES (2,0.1,x'00ff'),(1,NULL,NULL);",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x REAL, b BLOB); INSERT INTO t VALUES (2,0.1,x'00ff'),(1,NULL,NULL);",
        "  t: { from: old.t }\n",
    );
    let taken = twins.path("taken");
    let text = ok(&[
        "snapshot",
        &format!("sqlite:{}", twins.path("target.db").display()),
        "-o",
        taken.to_str().expect("UTF-8"),
    ]);
    assert!(text.contains("root "), "{text}");
    let ran = twins.run(&["--set", "connections.new.url=snapshot:taken"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    // Values that were altered since are refused, not compared: another snapshot's table under this manifest.
    let db = rusqlite::Connection::open(twins.path("target.db")).expect("opened");
    db.execute_batch("UPDATE t SET x = 0.2 WHERE id = 2").expect("updated");
    let other = twins.path("other");
    ok(&[
        "snapshot",
        &format!("sqlite:{}", twins.path("target.db").display()),
        "-o",
        other.to_str().expect("UTF-8"),
    ]);
    std::fs::copy(other.join("tables/0000.arrow"), taken.join("tables/0000.arrow")).expect("copied");
    // While the digests agree, nothing is read: they say what the values were.
    let ran = twins.run(&["--set", "connections.new.url=snapshot:taken"]);
    assert_eq!(ran.code, 0);
    let db = rusqlite::Connection::open(twins.path("source.db")).expect("opened");
    db.execute_batch("UPDATE t SET x = 0.2 WHERE id = 2").expect("updated");
    let ran = twins.run(&["--set", "connections.new.url=snapshot:taken"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("digest"), "{}", ran.stderr);
}

#[test]
fn the_catalogue_lists_validators_and_suggests_names() {
    let list = ok(&["validators"]);
    assert_eq!(list.lines().count(), 11, "{list}");
    assert!(ok(&["validators", "orphan"]).contains("Blind to"));
    let ran: Ran = counterfoil().args(["validators", "orphna"]).output().expect("it starts").into();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean 'orphan'"), "{}", ran.stderr);
}

#[test]
fn a_run_that_is_stopped_is_never_taken_for_a_whole_one() {
    let twins = Twins::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x); WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO t SELECT i, 1 FROM n;",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x); WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO t SELECT i, 2 FROM n;",
        "  t: { from: old.t, checks: [row_diff] }\n",
    );
    let ran = twins.run(&["--stop-after", "20", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("a report");
    assert_eq!(report["checks"][0]["total"], 20);
    assert_eq!(report["coverage"]["verdict"], "inconclusive");
    let gap = &report["coverage"]["not_compared"][0];
    assert_eq!((&gap["cells"], &gap["ignored"]), (&480.into(), &false.into()));
    assert_eq!(gap["reason"], "inconclusive: stopped after 20 findings");
    assert!(report["run"]["peak_rss_bytes"].as_u64().is_none_or(|bytes| bytes > 1 << 20));
    let ran = twins.run(&["--stop-after", "0"]);
    assert_eq!(ran.code, 2);
}
