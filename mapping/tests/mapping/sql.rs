//! SQL expressions: what they can say, and errors at their plan line.

use counterfoil_mapping::evaluate;
use counterfoil_model::{Type, Value};

use crate::support::*;

#[test]
fn text_functions_and_nulls() {
    assert_eq!(through(vec![text(" Ann@X.org "), NULL], "lower(trim(x))"), [text("ann@x.org"), NULL]);
    assert_eq!(through(vec![text("gs://old/a.pdf")], "replace(x, 'gs://old', '/new')"), [text("/new/a.pdf")]);
    assert_eq!(through(vec![text("ab"), NULL], "x || '-' || x"), [text("ab-ab"), NULL]);
    assert_eq!(through(vec![text("ab"), NULL], "coalesce(x, '')"), [text("ab"), text("")]);
    assert_eq!(
        through(vec![text("it's"), text("x")], "x = 'it''s'"),
        [Value::Bool(true), Value::Bool(false)]
    );
    assert_eq!(through(vec![text("a/b"), NULL], "split_part(x, '/', 2)"), [text("b"), NULL]);
    assert_eq!(
        through(vec![text("open"), text("shut"), NULL], "CASE x WHEN 'open' THEN 1 WHEN 'shut' THEN 0 END"),
        [int(1), int(0), NULL]
    );
}

#[test]
fn literals_fill_every_row() {
    assert_eq!(through(vec![int(1), int(2)], "'x'"), [text("x"), text("x")]);
    assert_eq!(through(vec![int(1), int(2)], "1"), [int(1), int(1)]);
    assert_eq!(through(vec![int(1), int(2)], "NULL"), [NULL, NULL]);
    assert_eq!(through(vec![int(1), int(2)], "1 + 1"), [int(2), int(2)]);
    assert_eq!(through(vec![], "'x'"), []);
    assert_eq!(through(vec![], "upper(x)"), []);
}

#[test]
fn results_come_back_in_canonical_types() {
    let case = Case::new()
        .from(
            "a.t",
            vec![
                ("x", vec![Value::Timestamp(1_700_000_000_123_456_000), NULL]),
                ("l", vec![Value::LocalTimestamp(1_700_000_000_000_000_000), NULL]),
                ("d", vec![Value::Date(19_000), NULL]),
                ("n", vec![decimal("1.50"), NULL]),
                ("t", vec![Value::Time(3_600_000_000_000), NULL]),
                ("b", vec![Value::Bytes(vec![1, 2]), NULL]),
                ("roles", vec![list(vec![text("a"), text("b")]), list(vec![])]),
            ],
        )
        .target(&["x", "l", "d", "n", "t", "b", "roles", "year", "small", "length"])
        .column("x", "coalesce(x, x)")
        .column("l", "coalesce(l, l)")
        .column("d", "coalesce(d, d)")
        .column("n", "coalesce(n, n)")
        .column("t", "coalesce(t, t)")
        .column("b", "coalesce(b, b)")
        .column("roles", "coalesce(roles, roles)")
        .column("year", "EXTRACT(year FROM x)")
        .column("small", "CAST(7 AS SMALLINT)")
        .column("length", "array_length(roles)");
    let expected = case.expected();
    assert_eq!(values(&expected, "x"), [Value::Timestamp(1_700_000_000_123_456_000), NULL]);
    assert_eq!(values(&expected, "l"), [Value::LocalTimestamp(1_700_000_000_000_000_000), NULL]);
    assert_eq!(values(&expected, "d"), [Value::Date(19_000), NULL]);
    assert_eq!(values(&expected, "n"), [decimal("1.5"), NULL]);
    assert_eq!(values(&expected, "t"), [Value::Time(3_600_000_000_000), NULL]);
    assert_eq!(values(&expected, "b"), [Value::Bytes(vec![1, 2]), NULL]);
    assert_eq!(values(&expected, "roles"), [list(vec![text("a"), text("b")]), list(vec![])]);
    assert_eq!(values(&expected, "year"), [int(2023), NULL]);
    assert_eq!(values(&expected, "small"), [int(7), int(7)]);
    assert_eq!(values(&expected, "length"), [int(2), int(0)]);
    assert_eq!(kind(&expected, "small"), Type::Int);
}

#[test]
fn times_compare_with_text_and_keep_nanoseconds() {
    let times =
        || vec![Value::Timestamp(1_704_067_199_999_999_999), Value::Timestamp(1_704_067_200_000_000_000)];
    assert_eq!(through(times(), "x >= '2024-01-01'"), [Value::Bool(false), Value::Bool(true)]);
    assert_eq!(through(times(), "coalesce(x, x)"), times());
    let error =
        refused(vec![Value::Timestamp(1), Value::Timestamp(-62_135_596_800_000_000_000)], "coalesce(x, x)");
    assert!(error.message.contains("can't hold to the nanosecond"), "{}", error.message);
}

#[test]
fn an_expression_runs_over_all_sources() {
    let expected = Case::new()
        .from("a.t", vec![("first", vec![text("A")]), ("last", vec![text("B")])])
        .from("b.t", vec![("first", vec![text("C")])])
        .target(&["name", "known"])
        .column("name", "concat_ws(' ', first, last)")
        .column("known", "__connection = 'a'")
        .expected();
    assert_eq!(values(&expected, "name"), [text("A B"), text("C")]);
    assert_eq!(values(&expected, "known"), [Value::Bool(true), Value::Bool(false)]);
    assert_eq!(expected.mapped[0].missing_in, ["b.t"]);
}

#[test]
fn documents_numbers_count_as_floats_where_exact() {
    assert_eq!(through(vec![int(1), Value::Float(0.5)], "x * 2"), [Value::Float(2.0), Value::Float(1.0)]);
    let error = refused(vec![int(9_007_199_254_740_993), Value::Float(0.5)], "x * 2.0");
    assert!(error.message.contains("several types (float, integer)"), "{}", error.message);
}

#[test]
fn what_sql_cannot_hold_says_what_to_do() {
    let error = refused(vec![int(1), text("1")], "lower(x)");
    assert!(error.message.contains("several types (integer, text)"), "{}", error.message);
    let error = refused(vec![map(vec![("city", text("Rome"))])], "lower(x)");
    assert!(error.help.unwrap().contains("'x.city'"));
    let error = refused(vec![Value::Uuid([1; 16])], "coalesce(x, x)");
    assert!(error.message.contains("is a uuid"), "{}", error.message);
    let error = refused(vec![decimal(&"9".repeat(60))], "x + 1");
    assert!(error.message.contains("decimals of 60 digits"), "{}", error.message);
}

#[test]
fn wrong_expressions_are_errors_at_their_line() {
    let message = |expression: &str| {
        let error = refused(vec![text("a"), text("b")], expression);
        assert_eq!((error.origin.line, error.text.as_str()), (10, expression));
        error.message
    };
    assert!(message("lower(x").contains("not a SQL expression"), "{}", message("lower(x"));
    assert!(message("lower(x) lower").contains("unexpected 'lower'"));
    assert_eq!(message("lower(X)"), "unknown field 'X' (did you mean 'x'?)");
    assert_eq!(message("lowr(x)"), "unknown function 'lowr' (did you mean 'lower'?)");
    assert_eq!(message("max(x)"), "'max' makes one value of many rows, and a column needs one for each");
    assert!(message("x IN (SELECT x FROM y)").contains("subquery"));
    assert!(message("x + 1").contains("text and"), "{}", message("x + 1"));
    assert!(message("round(x, 1)").starts_with("failed to evaluate"));
    assert!(message("CAST(x AS BIGINT)").contains("conversion"), "{}", message("CAST(x AS BIGINT)"));
    assert!(message("__item").contains("unknown field '__item'"));
}

#[test]
fn conditions_keep_only_what_is_true() {
    let case = |condition: &str| {
        Case::new()
            .from("friday.t", vec![("n", vec![int(1), NULL, int(3)])])
            .from("mwr.t", vec![("n", vec![int(5)])])
            .filter(condition)
    };
    let expected = case("n > 1").expected();
    assert_eq!(values(&expected, "n"), [int(3), int(5)]);
    let accounts: Vec<_> = expected.lineage.sources.iter().map(|s| (s.rows, s.filtered, s.kept)).collect();
    assert_eq!(accounts, [(3, 2, 1), (1, 0, 1)]);
    assert_eq!(expected.lineage.origins.iter().map(|o| o.key.clone()).collect::<Vec<_>>(), [int(3), int(1)]);
    assert_eq!(case("__connection = 'friday'").values("n"), [int(1), NULL, int(3)]);
    assert_eq!(case("NOT (n > 1)").values("n"), [int(1)]);
    assert_eq!(case("n > 100").values("n"), []);
    assert_eq!(case("n + 1").message(5), "the condition gives integer, not true or false");
    assert_eq!(case("m > 1").message(5), "unknown field 'm' (did you mean 'n'?)");
}

#[test]
fn an_expression_over_a_finished_table() {
    let table = batch(vec![("email", vec![text("A@X"), NULL]), ("n", vec![int(1), int(2)])]);
    assert_eq!(evaluate(&at(3, "lower(email)"), &table).unwrap(), [text("a@x"), NULL]);
    assert_eq!(evaluate(&at(3, "n"), &table).unwrap(), [int(1), int(2)]);
    assert_eq!(evaluate(&at(3, "lower(mail)"), &table).unwrap_err().origin.line, 3);
}

#[test]
fn strange_field_names_are_only_names() {
    let case = Case::new()
        .from(
            "a.t",
            vec![("^.*$", vec![text("A")]), ("o'k", vec![text("B")]), ("say \"hi\"", vec![text("C")])],
        )
        .target(&["a", "b", "c"])
        .column("a", "lower(\"^.*$\")")
        .column("b", "lower(\"o'k\")")
        .column("c", "lower(\"say \"\"hi\"\"\")");
    let expected = case.expected();
    assert_eq!(values(&expected, "a"), [text("a")]);
    assert_eq!(values(&expected, "b"), [text("b")]);
    assert_eq!(values(&expected, "c"), [text("c")]);
}
