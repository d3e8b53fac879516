//! The JSON Schema of plans.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{self, FULL, GOOD};

/// A schema of options as schemars makes it.
fn options(names: &[&str], required: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "$ref": "#/$defs/Anything" }))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Options", "type": "object",
        "properties": properties, "required": required, "$defs": { "Anything": true },
    })
}

fn schema_for(catalogue: &[(String, Vec<String>)]) -> Value {
    let validators: Vec<_> = catalogue
        .iter()
        .map(|(name, names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let required: &[&str] = if name == "orphan" { &["column"] } else { &[] };
            (name.clone(), options(&names, required), format!("About {name}."))
        })
        .collect();
    counterfoil_plan::schema(&validators)
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema_for(&support::validators())).unwrap()
}

fn json_of(text: &str) -> Value {
    counterfoil_plan::yaml_to_json(text).unwrap()
}

#[test]
fn the_schema_is_a_schema() {
    let schema = schema_for(&support::validators());
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$defs"]["orphan.Anything"], json!(true));
    let nothing = ("row_count".to_owned(), json!({ "type": "null" }), "Counts.".to_owned());
    let validator = jsonschema::validator_for(&counterfoil_plan::schema(&[nothing])).unwrap();
    let mut plan = json_of(GOOD);
    plan["tables"]["users"]["checks"] =
        json!(["row_count", { "row_count": { "allow_empty": true } }, { "row_count": null }]);
    assert!(validator.is_valid(&plan));
    plan["tables"]["users"]["checks"] = json!([{ "row_count": { "x": true } }]);
    assert!(!validator.is_valid(&plan));
}

#[test]
fn every_plan_of_the_repository_fits() {
    let fixtures = support::fixtures();
    assert!(!fixtures.is_empty());
    for (path, text) in &fixtures {
        let validator = jsonschema::validator_for(&schema_for(&support::any_options(text))).unwrap();
        let plan = json_of(text);
        let errors = validator.iter_errors(&plan).map(|e| format!("{}: {e}", e.instance_path()));
        assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new(), "{path}");
    }
    for text in [FULL, GOOD] {
        assert!(validator().is_valid(&json_of(text)));
        let resolved = support::parse(text).unwrap().resolved_yaml;
        assert!(validator().is_valid(&json_of(&resolved)), "{resolved}");
    }
}

/// Replacements that spoil the good plan.
const SPOILT: [(&str, &str); 34] = [
    ("version: 1", "version: 2"),
    ("version: 1", "version: '1'"),
    ("key: id", "kee: id"),
    ("key: id", "key: 7"),
    ("key: id", "key: [id, id]"),
    ("key: id", "match: []"),
    ("key: id", "checks: []"),
    ("key: id", "checks: row_count"),
    ("key: id", "checks: [row_cuont]"),
    ("key: id", "checks: [5]"),
    ("key: id", "checks: [{ orphan: { colum: x } }]"),
    ("key: id", "checks: [{ row_count: { allow_empty: no } }]"),
    ("key: id", "checks: [{ row_count: , row_diff: }]"),
    ("key: id", "allow_empty: no"),
    ("key: id", "dedup: { keep: first(a) }"),
    ("key: id", "dedup: { by: a, keep: newest(a) }"),
    ("key: id", "ignore: { a: '' }"),
    ("key: id", "ignore: [a]"),
    ("key: id", "sql: SELECT 1"),
    ("from: old.users", "where: x"),
    ("from: old.users", "from: users"),
    ("from: old.users", "from: []"),
    ("decimal(12,2)", "timestmap"),
    ("expect: amount", "expect: "),
    ("expect: amount", "expect: ''"),
    ("expect: amount", "case: lower"),
    ("expect: amount", "unicode: nfd"),
    ("expect: amount", "tolerance: -1"),
    ("expect: amount", "bits: some"),
    ("expect: amount", "bits: exact, tolerance: 1"),
    ("expect: amount", "surrogate: yes"),
    ("\"sqlite:old.db\"", "5"),
    ("url: \"sqlite:old.db\"", "uri: x"),
    ("old:", "o.ld:"),
];

/// Lines that spoil the good plan when they are added.
const ADDED: [&str; 21] = [
    "nam: x",
    "name: a/b",
    "name: ../b",
    "defaults: { null_vs_empty: no }",
    "defaults: { zone: UTC }",
    "gate: { pass_rate: 99 }",
    "gate: { pass_rate: 101% }",
    "gate: { inconclusive: blok }",
    "phases: { a: { sampling: { rate: 0% } } }",
    "phases: { a: { sampling: { rate: 1%, keys: x } } }",
    "phases: { a: { sampling: {} } }",
    "phases: { a: { checks: [] } }",
    "report: { formats: [htm] }",
    "report: { mask: [email] }",
    "report: { max_findings: -1 }",
    "ignore: { sessions: gone }",
    "waivers: [{ id: W, match: {}, owner: o, reason: r }]",
    "waivers: [{ id: W, match: { table: users }, owner: o }]",
    "waivers: [{ id: W, match: { outcome: chnged }, owner: o, reason: r }]",
    "waivers: [{ id: W, match: { key: { a: 1 } }, owner: o, reason: r }]",
    "waivers: [{ id: W, match: { table: users }, owner: o, reason: r, until: tomorrow }]",
];

#[test]
fn bad_plans_are_refused_by_schema_and_loader_alike() {
    let missing = ["version: 1", "connections:", "target: app", "tables:"];
    let missing = missing.iter().map(|line| GOOD.replace(line, &format!("x-{line}")));
    let spoilt = SPOILT.iter().map(|(from, to)| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    });
    let added = ADDED.iter().map(|line| format!("{GOOD}{line}\n"));
    let validator = validator();
    for text in missing.chain(spoilt).chain(added) {
        assert!(support::parse(&text).is_err(), "the loader takes:\n{text}");
        assert!(!validator.is_valid(&json_of(&text)), "the schema takes:\n{text}");
    }
}

/// What a check can't do without is in the schema, too: the loader leaves that to the validator.
#[test]
fn required_options_are_required() {
    let mut plan = json_of(GOOD);
    plan["tables"]["users"]["checks"] = json!(["orphan"]);
    assert!(!validator().is_valid(&plan));
    plan["tables"]["users"]["checks"] =
        json!([{ "orphan": { "column": "a", "allow_empty": true } }, "row_count"]);
    assert!(validator().is_valid(&plan));
}
