//! Columns mapped by bare names and paths: nothing is bent.

use counterfoil_mapping::By;
use counterfoil_model::plan::ColumnPlan;
use counterfoil_model::{Type, Value};

use crate::support::*;

fn extremes() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("ints", vec![int(9_007_199_254_740_993), int(i64::MIN), NULL]),
        ("uints", vec![Value::UInt(u64::MAX), Value::UInt(u64::MAX - 1), Value::UInt(1 << 63)]),
        ("floats", vec![Value::Float(5e-324), Value::Float(-0.0), Value::Float(f64::INFINITY)]),
        ("floats32", vec![Value::Float32(1e-45), NULL, Value::Float32(0.1)]),
        ("decimals", vec![decimal("12345678901234567890123456789012345678"), decimal("0.1"), NULL]),
        ("times", vec![Value::Timestamp(-62_135_596_800_000_000_001), Value::Timestamp(1), NULL]),
        ("uuids", vec![Value::Uuid([7; 16]), Value::Uuid([0; 16]), NULL]),
        ("places", vec![Value::Geo(48.1, -0.0), NULL, Value::Geo(1e-300, 2.0)]),
        ("texts", vec![text(""), text("zwölf Zeichen und noch mehr"), NULL]),
        ("bytes", vec![Value::Bytes(vec![]), Value::Bytes(vec![0, 255]), NULL]),
        ("json", vec![Value::Json("{\"a\": 1.0}".into()), NULL, NULL]),
        ("refs", vec![Value::Ref("users/1".into()), NULL, NULL]),
        ("mixed", vec![int(1), text("1"), list(vec![map(vec![("k", Value::Float(0.5))])])]),
    ]
}

#[test]
fn every_type_passes_unchanged_by_name_and_by_path() {
    let columns = extremes();
    let by_name = Case::new().from("a.t", columns.clone()).expected();
    assert_eq!(by_name.rows.batch().unwrap(), batch(columns.clone()));
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let rows = (0..3).map(|row| map(columns.iter().map(|(n, v)| (*n, v[row].clone())).collect())).collect();
    let mut nested = Case::new().from("a.t", vec![("doc", rows)]).target(&names);
    for name in &names {
        nested = nested.column(name, &format!("doc.{name}"));
    }
    let nested = nested.expected();
    for (name, wanted) in &columns {
        assert_eq!(format!("{:?}", values(&nested, name)), format!("{wanted:?}"), "{name}");
    }
}

#[test]
fn names_pair_up_without_case_and_underscores_and_pairings_are_listed() {
    let case = Case::new()
        .from("a.t", vec![("InvoiceId", vec![int(1)]), ("__id", vec![text("x")]), ("note", vec![text("n")])])
        .from("b.t", vec![("invoice_id", vec![int(2)]), ("Note", vec![text("m")])])
        .target(&["invoice_id", "note", "id", "extra"]);
    let expected = case.expected();
    assert_eq!(values(&expected, "invoice_id"), [int(1), int(2)]);
    assert_eq!(values(&expected, "note"), [text("n"), text("m")]);
    // A document's `__id` is no field called `id`.
    assert_eq!(expected.unmapped_target, ["id", "extra"]);
    assert_eq!(expected.mapped[0].by, By::Name);
    assert_eq!(expected.mapped[0].from, "invoice_id");
    assert_eq!(expected.unmapped_source, []);
}

#[test]
fn two_fields_that_fold_alike_are_ambiguous_unless_one_is_exact() {
    let both = vec![("createdAt", vec![int(1)]), ("created_at", vec![int(2)])];
    let exact = Case::new().from("a.t", both.clone()).target(&["created_at"]);
    assert_eq!(exact.values("created_at"), [int(2)]);
    let unclear = Case::new().from("a.t", both).target(&["CreatedAt"]);
    assert_eq!(unclear.message(1), "column 'CreatedAt' pairs with several fields: createdAt, created_at");
}

#[test]
fn a_field_that_one_source_lacks_is_null_there_and_said() {
    let expected = Case::new()
        .from("a.t", vec![("id", vec![int(1)]), ("nick", vec![text("n")])])
        .from("b.t", vec![("id", vec![int(2)])])
        .target(&["id", "nick"])
        .column("nick", "nick")
        .expected();
    assert_eq!(values(&expected, "nick"), [text("n"), NULL]);
    assert_eq!(expected.mapped[0].missing_in, ["b.t"]);
    assert!(expected.mapped[1].missing_in.is_empty());
}

#[test]
fn types_that_differ_between_sources_become_variants_that_keep_them() {
    let expected = Case::new()
        .from("a.t", vec![("id", vec![int(1)]), ("price", vec![decimal("1.5")])])
        .from("b.t", vec![("id", vec![text("x")]), ("price", vec![decimal("0.25")])])
        .expected();
    assert_eq!(kind(&expected, "id"), Type::Variant);
    assert_eq!(values(&expected, "id"), [int(1), text("x")]);
    assert_eq!(kind(&expected, "price"), Type::Decimal { precision: 3, scale: 2 });
    assert_eq!(values(&expected, "price"), [decimal("1.5"), decimal("0.25")]);
}

#[test]
fn paths_reach_maps_lists_and_geopoints() {
    let answers = list(vec![map(vec![("text", text("yes"))]), map(vec![("text", text("no"))])]);
    let case = Case::new()
        .from(
            "a.t",
            vec![
                ("answers", vec![answers, NULL]),
                ("place", vec![Value::Geo(1.5, 2.5), NULL]),
                ("a.b", vec![int(1), int(2)]),
                ("with space", vec![int(3), int(4)]),
                ("odd", vec![map(vec![("created-by", text("me"))]), NULL]),
            ],
        )
        .target(&["first", "second", "lat", "dotted", "spaced", "by", "upper"])
        .column("first", "answers.0.text")
        .column("second", "answers.1.text")
        .column("lat", "place.latitude")
        .column("dotted", "a.b")
        .column("spaced", "with space")
        .column("by", "odd.\"created-by\"")
        .column("upper", "upper(answers.1.text)");
    let expected = case.expected();
    assert_eq!(values(&expected, "first"), [text("yes"), NULL]);
    assert_eq!(values(&expected, "second"), [text("no"), NULL]);
    assert_eq!(values(&expected, "lat"), [Value::Float(1.5), NULL]);
    assert_eq!(values(&expected, "dotted"), [int(1), int(2)]);
    assert_eq!(values(&expected, "spaced"), [int(3), int(4)]);
    assert_eq!(values(&expected, "by"), [text("me"), NULL]);
    assert_eq!(values(&expected, "upper"), [text("NO"), NULL]);
}

#[test]
fn wrong_names_and_paths_are_errors_at_their_place_with_a_suggestion() {
    let base = || {
        Case::new()
            .from(
                "friday.users",
                vec![("email", vec![text("e")]), ("rect", vec![map(vec![("x", int(1)), ("width", int(2))])])],
            )
            .target(&["email", "width"])
    };
    assert_eq!(base().column("email", "emial").message(10), "unknown field 'emial' (did you mean 'email'?)");
    let error = base().column("width", "rect.widht").error();
    assert_eq!(error.message, "no row has 'widht' in 'rect' (did you mean 'width'?)");
    assert_eq!(error.help.unwrap(), "known there: width, x");
    assert_eq!(base().column("width", "email.x").message(10), "no row has 'x' in 'email'");
    let wrong = base().column("emial", "email").message(10);
    assert_eq!(wrong, "the target table 'things' has no column 'emial' (did you mean 'email'?)");
    let mut unknown = base();
    unknown.plan.from[0] = at(2, "friday.user");
    assert_eq!(unknown.message(2), "unknown source 'friday.user' (did you mean 'friday.users'?)");
    let mut unpaired = base();
    unpaired.plan.columns.push(ColumnPlan { name: at(12, "width"), ..Default::default() });
    assert_eq!(unpaired.message(12), "no source field pairs with column 'width'");
}

#[test]
fn an_empty_table_takes_any_path() {
    let empty = Case::new().from("a.t", vec![("rect", vec![])]).target(&["x"]).column("x", "rect.x");
    assert_eq!(empty.values("x"), []);
}

#[test]
fn columns_that_mappings_add() {
    let case = Case::new()
        .from("friday.t", vec![("__id", vec![text("a"), text("b")]), ("__parent_id", vec![text("p"), NULL])])
        .from("mwr.t", vec![("__id", vec![text("c")])])
        .target(&["conn", "id", "parent"])
        .column("conn", "__connection")
        .column("id", "__id")
        .column("parent", "__parent_id");
    let expected = case.expected();
    assert_eq!(values(&expected, "conn"), [text("friday"), text("friday"), text("mwr")]);
    assert_eq!(values(&expected, "parent"), [text("p"), NULL, NULL]);
    let keys: Vec<_> = expected.lineage.origins.iter().map(|o| (o.source, o.key.clone())).collect();
    assert_eq!(keys, [(0, text("a")), (0, text("b")), (1, text("c"))]);
}

#[test]
fn rows_are_named_by_their_key_or_their_number() {
    let columns = || vec![("a", vec![int(7), int(8)]), ("b", vec![text("x"), text("y")])];
    let keys = |case: Case| case.expected().lineage.origins.into_iter().map(|o| o.key).collect::<Vec<_>>();
    assert_eq!(keys(Case::new().from("s.t", columns())), [int(1), int(2)]);
    assert_eq!(keys(Case::new().from("s.t", columns()).key("s.t", &["b"])), [text("x"), text("y")]);
    let both = keys(Case::new().from("s.t", columns()).key("s.t", &["b", "a"]));
    assert_eq!(both, [list(vec![text("x"), int(7)]), list(vec![text("y"), int(8)])]);
}

#[test]
fn surrogates_are_listed_and_not_in_the_batch() {
    let mut case = Case::new().from("a.t", vec![("email", vec![text("e")])]).target(&["id", "email"]);
    case.plan.columns.push(ColumnPlan { name: at(10, "id"), surrogate: true, ..Default::default() });
    let expected = case.expected();
    assert_eq!(expected.rows.batch().unwrap().num_columns(), 1);
    assert_eq!(expected.mapped[0].by.as_str(), "surrogate");
    assert!(expected.unmapped_target.is_empty());
}
