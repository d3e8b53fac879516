//! Plans that are right.

use counterfoil_model::finding::FindingKind;
use counterfoil_model::plan::{NullVsEmpty, Origin, Sampling, Unicode};
use serde_json::json;

use crate::support::{self, FULL, GOOD, parse, parse_with, rendered};

#[test]
fn the_designs_example_loads_whole() {
    let plan = parse(FULL).unwrap().plan;
    assert_eq!(plan.name, "moonlanding");
    let connections: Vec<_> = plan.connections.iter().map(|c| (c.name.as_str(), c.shown.as_str())).collect();
    let friday = ("friday", "firestore-export:exports/friday");
    assert_eq!(connections, [friday, ("mwr", "firestore-export:exports/mwr"), ("app", "sqlite:app.db")]);
    assert_eq!(plan.target.value, "app");
    assert_eq!(plan.defaults.timezone.as_ref().unwrap().value, "UTC");
    let users = &plan.tables[0];
    assert_eq!(
        users.from.iter().map(|f| f.value.as_str()).collect::<Vec<_>>(),
        ["friday.users", "mwr.users"]
    );
    assert_eq!(users.key.as_ref().unwrap()[0].value, "id");
    assert_eq!(users.match_columns[0].value, "email");
    let dedup = users.dedup.as_ref().unwrap();
    assert_eq!((dedup.by.value.as_str(), dedup.keep_last), ("lower(email)", false));
    assert_eq!(dedup.keep_column.as_ref().unwrap().value, "created_at");
    assert!(users.columns[0].surrogate);
    assert_eq!(users.columns[1].expect.as_ref().unwrap().value, "lower(trim(email))");
    assert_eq!(users.columns[2].read.as_ref().unwrap().value.to_string(), "timestamp");
    let checks: Vec<_> = users.checks.iter().map(|c| c.validator.value.as_str()).collect();
    assert_eq!(checks, ["row_count", "row_diff", "timestamp"]);
    let highlights = &plan.tables[1];
    assert_eq!(highlights.key, None);
    let orphan = json!({ "column": "review_id", "references": "reviews.id", "baseline": "source" });
    assert_eq!(highlights.checks[2].options, orphan);
    let memberships = &plan.tables[2];
    assert!(memberships.sql.as_ref().unwrap().value.starts_with("SELECT"));
    assert_eq!(memberships.checks.len(), 2, "the usual two");
    let sampling: Vec<_> = plan.phases.iter().map(|p| p.sampling.clone()).collect();
    assert_eq!(sampling, [Some(Sampling::Rate(0.01)), Some(Sampling::Rate(0.1)), None]);
    let waiver = &plan.waivers[0];
    assert_eq!(waiver.outcome, Some(FindingKind::Changed));
    assert_eq!(waiver.until.as_ref().unwrap().value, "2026-12-31");
    assert_eq!(plan.gate.pass_rate.to_bits(), 1.0_f64.to_bits());
    assert_eq!(plan.report.mask[0].value, "users.email");
    assert_eq!(plan.report.formats.len(), 4);
}

const EVERYTHING: &str = r#"
version: 1
name: all
connections: { old: "sqlite:old.db", app: { url: sqlite:app.db } }
target: app
defaults: { timezone: Asia/Kolkata, null_vs_empty: equal, unicode: nfc }
ignore: { old.sessions: gone, app.migrations: "its own" }
tables:
  public.users:
    from: old.users/notes
    key: []
    where: deleted = false
    explode: tags
    allow_empty: true
    columns:
      name: { trim: true, case: insensitive, unicode: nfc }
      price: { tolerance: 0.005 }
      x: { bits: exact, case: exact }
      flag: true
      zero: 0
      owner: { references: public.users }
    ignore: { junk: "never read" }
    checks:
      - row_count: { allow_empty: true }
      - row_diff:
      - json_field: { columns: [a], schema: { max: 18446744073709551615, ratio: 1.5, no: no, nil: ~ } }
  report:
    key: [a, b]
    sql: |
      SELECT a,
             b
      FROM old.users
phases:
  keys: { sampling: { keys: keys.csv }, gate: { inconclusive: allow } }
  target: { sampling: { keys: target } }
  full:
waivers:
  - { id: W1, match: { key: [u17, 3] }, owner: me, reason: known }
  - { id: W2, match: { key: 12 }, owner: me, reason: known }
  - { id: W3, match: { key: '["u1"]' }, owner: me, reason: known }
gate: { pass_rate: 99.5% }
report: { formats: [junit], mask: [public.users.name], max_findings: 10 }
"#;

#[test]
fn every_setting_of_a_table_arrives() {
    let plan = parse(EVERYTHING).unwrap().plan;
    let users = &plan.tables[0];
    assert_eq!(users.key, Some(vec![]));
    assert!(users.allow_empty);
    assert_eq!(users.filter.as_ref().unwrap().value, "deleted = false");
    assert_eq!(users.explode.as_ref().unwrap().value, "tags");
    assert!(users.columns[0].settings.trim && users.columns[0].settings.ignore_case);
    assert_eq!(users.columns[0].settings.unicode, Unicode::Nfc);
    assert_eq!(users.columns[1].settings.tolerance, Some(0.005));
    assert!(users.columns[2].settings.exact_bits && !users.columns[2].settings.ignore_case);
    assert_eq!(users.columns[3].expect.as_ref().unwrap().value, "true");
    assert_eq!(users.columns[4].expect.as_ref().unwrap().value, "0");
    assert!(users.checks[0].allow_empty && users.checks[0].options.is_null());
    assert!(users.checks[1].options.is_null());
    let schema = &users.checks[2].options["schema"];
    assert_eq!(schema, &json!({ "max": u64::MAX, "ratio": 1.5, "no": "no", "nil": null }));
    assert_eq!(plan.tables[1].sql.as_ref().unwrap().value, "SELECT a,\n       b\nFROM old.users\n");
}

#[test]
fn every_other_setting_arrives() {
    let plan = parse(EVERYTHING).unwrap().plan;
    assert_eq!((plan.defaults.null_vs_empty, plan.defaults.unicode), (NullVsEmpty::Equal, Unicode::Nfc));
    assert_eq!(plan.ignore[1].reason, "its own");
    let gate = plan.phases[0].gate.unwrap();
    assert_eq!(gate.pass_rate.to_bits(), 0.995_f64.to_bits(), "a phase's gate begins as the plan's");
    assert!(!gate.inconclusive_blocks);
    assert_eq!(plan.phases[0].sampling, Some(Sampling::Keys("keys.csv".into())));
    assert_eq!(plan.phases[1].sampling, Some(Sampling::TargetKeys));
    let keys: Vec<_> = plan.waivers.iter().map(|w| w.key.as_deref().unwrap()).collect();
    assert_eq!(keys, [r#"["u17",3]"#, "[12]", r#"["u1"]"#]);
    assert_eq!(plan.report.max_findings, Some(10));
}

#[test]
fn shares_are_rounded_once() {
    let shares =
        [("35%", 0.35), ("99.5 %", 0.995), ("0.995", 0.995), ("1", 1.0), ("0%", 0.0), (".5%", 0.005)];
    for (written, expected) in shares {
        let plan = parse(&format!("{GOOD}gate: {{ pass_rate: {written} }}\n")).unwrap().plan;
        assert_eq!(plan.gate.pass_rate.to_bits(), f64::to_bits(expected), "{written}");
    }
}

#[test]
fn origins_point_into_the_file() {
    let loaded = parse(GOOD).unwrap();
    let column = &loaded.plan.tables[1].columns[0];
    assert_eq!(column.name.origin, Origin { line: 13, column: 7 });
    let origin = column.expect.as_ref().unwrap().origin;
    assert_eq!(origin, Origin { line: 13, column: 24 });
    let problem =
        counterfoil_plan::problem_at(&loaded, origin, "there is no column `amount`", Some("look".into()));
    assert_eq!(problem.offending(), Some("amount"));
    insta::assert_snapshot!(rendered(&problem));
    let nowhere = counterfoil_plan::problem_at(&loaded, Origin::default(), "x", None);
    assert_eq!(nowhere.offending(), None);
}

#[test]
fn problems_in_block_text_point_at_it() {
    let text = GOOD.replace("from: old.users\n", "sql: |\n      SELECT 1\n      FROM old.ä\n");
    let loaded = parse(&text).unwrap();
    let origin = loaded.plan.tables[0].sql.as_ref().unwrap().origin;
    assert_eq!(origin, Origin { line: 9, column: 7 });
    assert_eq!(counterfoil_plan::problem_at(&loaded, origin, "x", None).offending(), Some("SELECT 1"));
}

#[test]
fn names_default_to_the_files() {
    let known = support::validators();
    let known = counterfoil_plan::Known { validators: &known };
    let loaded = counterfoil_plan::parse("a/shop.yaml", GOOD, &[], &support::env, &known).unwrap();
    assert_eq!(loaded.plan.name, "shop");
    assert_eq!(loaded.blake3.len(), 64);
    assert_eq!(loaded.source_text(), GOOD);
}

#[test]
fn anchors_are_copied() {
    let text = GOOD.replace("key: id", "key: id\n    checks: &usual [row_count, data_type]")
        + "    checks: *usual\n";
    let plan = parse(&text).unwrap().plan;
    assert_eq!(plan.tables[1].checks[1].validator.value, "data_type");
}

#[test]
fn byte_order_marks_and_line_ends_do_no_harm() {
    assert!(parse(&format!("\u{feff}{GOOD}")).is_ok());
    assert!(parse(&GOOD.replace('\n', "\r\n")).is_ok());
}

#[test]
fn the_environment_is_filled_in_and_never_shown() {
    let text =
        GOOD.replace("\"sqlite:old.db\"", "\"${DATABASE_URL}\"").replace("sqlite:app.db", "sqlite:$${x}.db");
    let loaded = parse(&text).unwrap();
    assert_eq!(loaded.plan.connections[0].url.value, "postgres://me:hunter2@db/app");
    assert_eq!(loaded.plan.connections[0].shown, "${DATABASE_URL}");
    assert_eq!(loaded.plan.connections[1].url.value, "sqlite:${x}.db");
    assert!(!loaded.resolved_yaml.contains("hunter2"));
    assert!(loaded.resolved_yaml.contains("${DATABASE_URL}"));
}

#[test]
fn a_literal_password_is_never_shown() {
    for url in [
        "\"postgres://me:hunter2@db/app\"",
        "'postgres://me:hun''ter2@db/app'",
        "\"postgres:\\/\\/me:hunter2@db/app\"",
    ] {
        let text = GOOD.replace("\"sqlite:old.db\"", url);
        let loaded = parse(&text).unwrap();
        let connection = &loaded.plan.connections[0];
        assert!(connection.url.value.contains("ter2"), "{url}");
        assert_eq!(connection.shown, "postgres://me:***@db/app");
        let problem = counterfoil_plan::problem_at(&loaded, connection.url.origin, "x", None);
        let debugged = format!("{problem:?}");
        for shown in [&loaded.resolved_yaml, loaded.source_text(), &rendered(&problem), &debugged] {
            assert!(!shown.contains("ter2"), "{shown}");
        }
        let errors = parse(&text.replace("target: app", "target: postgres://me:hunter2@db/app")).unwrap_err();
        assert!(!rendered(&errors).contains("ter2"));
    }
    let set = ["connections.old.url=postgres://me:hunter2@db/app", "target=x"];
    assert!(!rendered(&parse_with(GOOD, &set).unwrap_err()).contains("hunter2"));
}

#[test]
fn what_is_resolved_parses_to_an_equal_plan() {
    let fixtures = support::fixtures();
    // Longer than what YAML takes before a colon unannounced.
    let long = GOOD.replace("  users:\n", &format!("  ? \"{}\"\n  :\n", "ü#".repeat(700)));
    assert_ne!(long, GOOD);
    for text in fixtures.iter().map(|(_, text)| text.as_str()).chain([FULL, GOOD, EVERYTHING, &long]) {
        let known = support::any_options(text);
        let parse = |text: &str| {
            let known = counterfoil_plan::Known { validators: &known };
            counterfoil_plan::parse("plan.yaml", text, &[], &support::env, &known)
        };
        let first = parse(text).unwrap();
        let second = parse(&first.resolved_yaml).unwrap_or_else(|e| panic!("{}", rendered(&e)));
        assert_eq!(first.resolved_yaml, second.resolved_yaml);
        assert_eq!(support::bare(&first.plan), support::bare(&second.plan));
    }
    insta::assert_snapshot!(parse(FULL).unwrap().resolved_yaml);
}

#[test]
fn set_overrides_any_value() {
    let set = [
        "gate.pass_rate=99%",
        "connections.app.url=sqlite:other.db",
        "tables.users.key=[a, b]",
        "tables.orders.columns.total.tolerance=0.5",
        "tables.orders.columns.\"odd.name\"=lower(x)",
        "name=two",
    ];
    let plan = parse_with(GOOD, &set).unwrap().plan;
    assert_eq!(plan.gate.pass_rate.to_bits(), 0.99_f64.to_bits());
    assert_eq!(plan.connections[1].url.value, "sqlite:other.db");
    assert_eq!(plan.connections[1].url.origin, Origin { line: 0, column: 2 });
    assert_eq!(plan.tables[0].key.as_ref().unwrap().len(), 2);
    assert_eq!(plan.tables[0].name.origin.line, 7, "the table still stands in the file");
    assert_eq!(plan.tables[1].columns[0].settings.tolerance, Some(0.5));
    assert_eq!(plan.tables[1].columns[0].expect.as_ref().unwrap().value, "amount");
    assert_eq!(plan.tables[1].columns[1].name.value, "odd.name");
    assert_eq!(plan.name, "two");
}

#[test]
fn set_goes_into_short_forms_and_lists() {
    let short = GOOD.replace("{ url: \"sqlite:app.db\" }", "sqlite:app.db");
    let short = short.replace("total: {", "note: memo\n      total: {");
    let set = ["connections.app.url=sqlite:b.db", "tables.orders.columns.note.trim=true"];
    let plan = parse_with(&short, &set).unwrap().plan;
    assert_eq!(plan.connections[1].shown, "sqlite:b.db");
    let note = &plan.tables[1].columns[0];
    assert_eq!((note.expect.as_ref().unwrap().value.as_str(), note.settings.trim), ("memo", true));
    let set = ["waivers.0.until=2027-01-01", "tables.users.from.1=mwr.people"];
    let plan = parse_with(FULL, &set).unwrap().plan;
    assert_eq!(plan.waivers[0].until.as_ref().unwrap().value, "2027-01-01");
    assert_eq!(plan.tables[0].from[1].value, "mwr.people");
}
