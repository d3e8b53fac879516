//! The JSON Schema (2020-12) of plan files, for editors. It refuses what can be refused without looking at two
//! places at once; what it takes, the loader may still refuse.

use counterfoil_model::read::FORMS;
use serde_json::{Map, Value, json};

use crate::settings::{FORMATS, outcomes};

/// The schema of plans that may use these validators: name, JSON Schema of the options, and a line about each.
pub fn schema(validators: &[(String, Value, String)]) -> Value {
    let mut definitions = definitions();
    let checks = checks(validators, &mut definitions);
    definitions.insert("check".into(), checks);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "counterfoil plan",
        "description": "How a migration's target follows from its sources, and what is checked.",
        "type": "object",
        "required": ["version", "connections", "target", "tables"],
        "additionalProperties": false,
        "properties": top(),
        "$defs": definitions,
    })
}

fn top() -> Value {
    json!({
        "version": { "const": 1, "description": "The version of this format." },
        "name": {
            "type": "string", "pattern": "^[^./\\\\\\x00-\\x1f][^/\\\\\\x00-\\x1f]*$",
            "description": "Names the runs; the file's name where it is left out.",
        },
        "connections": {
            "type": "object", "minProperties": 1, "propertyNames": { "pattern": "^[^.]+$" },
            "additionalProperties": reference("connection"),
            "description": "Databases and file sets by name. `${NAME}` in a URL is filled in from the environment.",
        },
        "target": text("The connection that is the target."),
        "defaults": reference("defaults"),
        "tables": {
            "type": "object", "minProperties": 1, "additionalProperties": reference("table"),
            "description": "The target's tables.",
        },
        "phases": {
            "type": "object", "additionalProperties": reference("phase"),
            "description": "Stages of the migration, each with its own sampling and gate.",
        },
        "waivers": {
            "type": "array", "items": reference("waiver"),
            "description": "Known differences that somebody answers for.",
        },
        "gate": reference("gate"),
        "report": reference("report"),
        "ignore": {
            "type": "object", "propertyNames": { "pattern": "^[^.]+[.].+$" },
            "additionalProperties": text("Why."),
            "description": "Source collections and target tables left out on purpose: `connection.name: reason`.",
        },
    })
}

fn definitions() -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.into(), value);
    put("share", share());
    put("expression", json!({ "anyOf": [text("A SQL expression."), { "type": ["number", "boolean"] }] }));
    put("texts", texts(&text("A name."), 1));
    put(
        "unicode",
        json!({ "enum": ["exact", "nfc"], "description": "How text is normalised before it is compared." }),
    );
    put(
        "as",
        json!({
            "description": "The type in which both sides are read.",
            "anyOf": [{ "enum": FORMS }, { "type": "string", "pattern": "^decimal\\([0-9]{1,2}(, ?[0-9]{1,2})?\\)$" }],
        }),
    );
    let url = text("The URL, such as `sqlite:app.db`.");
    let long = object(&["url"], json!({ "url": url }), "A connection.");
    put("connection", json!({ "anyOf": [url, long] }));
    put(
        "defaults",
        object(
            &[],
            json!({
                "timezone": text("IANA name of the zone of times that have none; UTC where left out."),
                "null_vs_empty": { "enum": ["distinct", "equal"], "description": "How null and '' compare." },
                "unicode": reference("unicode"),
            }),
            "Settings for all tables.",
        ),
    );
    put(
        "ignore",
        json!({
            "type": "object", "additionalProperties": text("Why."),
            "description": "Columns and fields left out on purpose: `name: reason`.",
        }),
    );
    put(
        "gate",
        object(
            &[],
            json!({
                "pass_rate": reference("share"),
                "inconclusive": { "enum": ["block", "allow"], "description": "Whether undecided checks block." },
            }),
            "What breaks the build.",
        ),
    );
    put("phase", phase());
    put("waiver", waiver());
    put("report", report());
    put("column", column());
    put("table", table());
    all
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "pattern": "\\S", "description": description })
}

fn texts(item: &Value, least: usize) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": least, "uniqueItems": true }] })
}

fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

fn object(required: &[&str], properties: Value, description: &str) -> Value {
    json!({
        "type": "object", "required": required, "additionalProperties": false,
        "properties": properties, "description": description,
    })
}

fn share() -> Value {
    json!({
        "description": "A share, such as 99.5% or 0.995.",
        "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            { "type": "string", "pattern": "^(100([.]0*)?|[0-9]{1,2}([.][0-9]*)?|[.][0-9]+) ?%$" },
        ],
    })
}

fn phase() -> Value {
    let rate = object(
        &["rate"],
        json!({ "rate": {
        "allOf": [reference("share"), { "not": { "enum": [0, "0%"] } }],
    } }),
        "This share of the rows, by key hash.",
    );
    let keys = object(
        &["keys"],
        json!({ "keys": text("`target`, or a file of keys.") }),
        "The rows with these keys.",
    );
    let phase =
        object(&[], json!({ "sampling": { "oneOf": [rate, keys] }, "gate": reference("gate") }), "A stage.");
    json!({ "anyOf": [phase, { "type": "null" }] })
}

fn waiver() -> Value {
    let part = json!({ "type": ["string", "number", "boolean", "null"] });
    let key = json!({
        "description": "The row's key: one value, or a list such as [u17].",
        "anyOf": [
            { "type": ["string", "number", "boolean"] }, { "type": "array", "items": part, "minItems": 1 },
        ],
    });
    let what = json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "description": "What it waives: findings that fit all of this.",
        "properties": {
            "table": text("The table."), "column": text("The column."), "key": key,
            "outcome": { "enum": outcomes(), "description": "The kind of finding." },
        },
    });
    object(
        &["id", "match", "owner", "reason"],
        json!({
            "id": text("Its id."), "match": what, "owner": text("Who answers for it."),
            "reason": text("Why it is accepted."),
            "until": {
                "type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "description": "The last day it holds.",
            },
        }),
        "A known difference that somebody answers for.",
    )
}

fn report() -> Value {
    object(
        &[],
        json!({
            "formats": {
                "type": "array", "items": { "enum": FORMATS }, "uniqueItems": true,
                "description": "What is rendered; report.json always is.",
            },
            "mask": {
                "type": "array", "items": { "type": "string", "pattern": "^.+[.][^.]+$" }, "uniqueItems": true,
                "description": "Columns whose values are hidden, as `table.column`.",
            },
            "max_findings": { "type": "integer", "minimum": 0, "description": "The most findings shown of one check." },
        }),
        "What is rendered.",
    )
}

fn column() -> Value {
    let long = object(
        &[],
        json!({
            "expect": reference("expression"), "as": reference("as"),
            "surrogate": flag("The target minted its own values; learned through the table's `match`."),
            "references": text("The plan's table whose source ids this column holds."),
            "trim": flag("White space around text doesn't count."),
            "case": { "enum": ["exact", "insensitive"], "description": "Whether upper and lower case count." },
            "unicode": reference("unicode"),
            "tolerance": { "type": "number", "minimum": 0, "description": "Numbers may differ by this much." },
            "bits": { "const": "exact", "description": "Floats compare bit by bit, telling -0.0 from 0.0." },
        }),
        "A column with a type or tolerances.",
    );
    let mut long = long;
    long["not"] = json!({ "required": ["tolerance", "bits"] });
    json!({ "anyOf": [reference("expression"), long] })
}

fn table() -> Value {
    let source = json!({ "type": "string", "pattern": "^[^.]+[.].+$", "description": "`connection.table`." });
    let dedup = object(
        &["by"],
        json!({
            "by": reference("expression"),
            "keep": { "type": "string", "pattern": "^ *(first|last) *\\([^)]*[^) ][^)]*\\) *$" },
        }),
        "Which rows are one, and which of them stays.",
    );
    let mut table = object(
        &[],
        json!({
            "from": texts(&source, 1),
            "sql": text("SQL over the sources, for what the short form can't say."),
            "key": texts(&text("A column."), 0),
            "match": reference("texts"), "dedup": dedup, "where": reference("expression"),
            "explode": text("The list whose elements become rows (`__item`, `__index`)."),
            "columns": { "type": "object", "additionalProperties": reference("column") },
            "checks": { "type": "array", "items": reference("check"), "minItems": 1 },
            "ignore": reference("ignore"),
            "allow_empty": flag("0 = 0 passes."),
        }),
        "How a target table follows from the sources, and what is checked.",
    );
    table["oneOf"] = json!([{ "required": ["from"] }, { "required": ["sql"] }]);
    table
}

/// A check: a validator's name where it needs no option, or a mapping from the name to its options.
fn checks(validators: &[(String, Value, String)], definitions: &mut Map<String, Value>) -> Value {
    let (mut bare, mut long) = (Vec::new(), Map::new());
    for (name, options, doc) in validators {
        let options = options_of(name, options, doc, definitions);
        let needs_some = options["required"].as_array().is_some_and(|required| !required.is_empty());
        if needs_some {
            long.insert(name.clone(), options);
        } else {
            bare.push(json!({ "const": name, "description": doc }));
            long.insert(name.clone(), json!({ "anyOf": [options, { "type": "null" }] }));
        }
    }
    json!({
        "oneOf": [
            { "type": "string", "oneOf": bare },
            {
                "type": "object", "minProperties": 1, "maxProperties": 1,
                "properties": long, "additionalProperties": false,
            },
        ],
    })
}

/// A validator's options, closed and with `allow_empty`; their definitions move to the plan's own.
fn options_of(name: &str, options: &Value, doc: &str, definitions: &mut Map<String, Value>) -> Value {
    let mut options = options.clone();
    rename_references(&mut options, name);
    let mut closed = match options {
        Value::Object(map) if map.get("properties").is_some_and(Value::is_object) => map,
        _ => Map::from_iter([("type".to_owned(), json!("object"))]),
    };
    closed.remove("$schema");
    closed.remove("title");
    if let Some(Value::Object(own)) = closed.remove("$defs") {
        definitions.extend(own.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
    }
    closed.insert("description".into(), json!(doc));
    closed.insert("additionalProperties".into(), json!(false));
    let properties = closed.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("allow_empty".into(), flag("0 = 0 passes."));
    }
    Value::Object(closed)
}

/// `#/$defs/X` becomes `#/$defs/validator.X`.
fn rename_references(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, name)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(rest) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{name}.{rest}");
                        }
                    }
                    other => rename_references(other, name),
                }
            }
        }
        _ => {}
    }
}
