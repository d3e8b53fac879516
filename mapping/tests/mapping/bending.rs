//! Where polars would bend a value in silence, and is stopped.

use counterfoil_model::Value;

use crate::support::*;

#[test]
fn integers_do_not_wrap_around() {
    for (value, expression) in [
        (i64::MAX, "x + 1"),
        (i64::MIN, "x - 1"),
        (i64::MAX / 2 + 1, "x * 2"),
        (i64::MAX, "CASE WHEN x > 0 THEN 1 + x END"),
    ] {
        let message = refused(vec![int(1), int(value)], expression).message;
        assert!(message.contains("does not fit 64 bits"), "{expression}: {message}");
    }
    assert_eq!(through(vec![int(9_007_199_254_740_993), NULL], "x + 1"), [int(9_007_199_254_740_994), NULL]);
    assert_eq!(through(vec![int(3)], "(x + 1) * (x - 1) - 2"), [int(6)]);
    assert_eq!(through(vec![int(3)], "-x"), [int(-3)]);
}

#[test]
fn unsigned_integers_do_not_become_floats() {
    let big = || vec![Value::UInt(u64::MAX), Value::UInt(9_007_199_254_740_993)];
    assert_eq!(through(big(), "x = 9007199254740993"), [Value::Bool(false), Value::Bool(true)]);
    assert_eq!(through(big(), "x = 9007199254740992"), [Value::Bool(false), Value::Bool(false)]);
    assert_eq!(through(vec![Value::UInt(5)], "x + 1"), [int(6)]);
    assert_eq!(
        through(big(), "coalesce(x, x)"),
        [decimal("18446744073709551615"), decimal("9007199254740993")]
    );
}

#[test]
fn failed_casts_are_errors_unless_asked_for() {
    let message = refused(vec![text("12"), text("12x")], "CAST(x AS BIGINT)").message;
    assert!(message.contains("12x"), "{message}");
    assert_eq!(through(vec![text("12"), text("12x")], "TRY_CAST(x AS BIGINT)"), [int(12), NULL]);
    assert!(refused(vec![int(40_000)], "CAST(x AS SMALLINT)").message.contains("conversion"));
    assert!(refused(vec![text("2024-13-01")], "CAST(x AS DATE)").message.contains("failed"));
}

#[test]
fn division_by_zero_is_an_error() {
    assert_eq!(through(vec![int(1), NULL], "x / 2"), [Value::Float(0.5), NULL]);
    for expression in ["1 / x", "1.0 / x", "1 % x", "1 // x"] {
        let error = refused(vec![int(0)], expression);
        assert!(error.message.contains("division by zero"), "{expression}: {}", error.message);
    }
    assert_eq!(through(vec![int(0), int(2)], "1 / NULLIF(x, 0)"), [NULL, Value::Float(0.5)]);
    assert_eq!(through(vec![int(0), int(2)], "CASE WHEN x <> 0 THEN 1 / x END"), [NULL, Value::Float(0.5)]);
    assert_eq!(through(vec![int(7)], "x % 4 + x // 4"), [int(4)]);
}

#[test]
fn decimals_stay_exact() {
    let big = "1234567890123456789012345678.12";
    assert_eq!(through(vec![decimal(big)], "coalesce(x, x)"), [decimal(big)]);
    assert_eq!(through(vec![decimal("0.10"), NULL], "x + x"), [decimal("0.2"), NULL]);
    assert_eq!(through(vec![decimal("0.10")], "x + 1"), [decimal("1.1")]);
    assert_eq!(through(vec![decimal("0.15")], "x * x"), [decimal("0.0225")]);
    // The product of two decimals has all their places, and a literal is a decimal, as in SQL.
    assert_eq!(through(vec![decimal("0.10")], "x * 1.19"), [decimal("0.119")]);
    assert_eq!(through(vec![decimal("0.10")], "x = 0.1"), [Value::Bool(true)]);
    assert_eq!(through(vec![int(i64::MAX)], "x + 0.5"), [decimal("9223372036854775807.5")]);
    assert_eq!(through(vec![decimal("12345678901234567890.5"), NULL], "coalesce(x, 0.0)")[1], decimal("0"));
    assert_eq!(through(vec![decimal("1.00")], "x / 3"), [Value::Float(1.0 / 3.0)]);
    assert_eq!(through(vec![decimal("5.5"), NULL], "-x"), [decimal("-5.5"), NULL]);
    assert_eq!(through(vec![Value::Float(0.1)], "x * 3.0"), [Value::Float(0.1 * 3.0)]);
    let message = refused(vec![decimal("9e30")], "x * 1000000000").message;
    assert!(message.contains("does not fit 38 digits"), "{message}");
    assert_eq!(through(vec![decimal("9007199254740993.1")], "x > 9007199254740993"), [Value::Bool(true)]);
}

#[test]
fn types_are_not_mixed_in_silence() {
    for (value, expression) in [(text("a"), "x + 1"), (Value::Bool(true), "x + 1"), (text("1"), "x * 2.5")] {
        let message = refused(vec![value], expression).message;
        assert!(message.contains("can't be combined"), "{expression}: {message}");
    }
}

#[test]
fn numbers_compare_by_value_across_types() {
    let truth = |values: Vec<Value>, expression: &str| through(values, expression)[0] == Value::Bool(true);
    assert!(!truth(vec![Value::Float(9_007_199_254_740_992.0)], "x = 9007199254740993"));
    assert!(truth(vec![Value::Float(9_007_199_254_740_992.0)], "x < 9007199254740993"));
    assert!(truth(vec![decimal("99999999999999999999999999999999999.1")], "x > 0.12345"));
    assert!(truth(vec![Value::Float(0.1)], "x = 0.1"));
    assert!(truth(vec![Value::Float(0.5)], "x BETWEEN 0.5 AND 1"));
    assert!(!truth(vec![Value::Float(0.5)], "x NOT BETWEEN 0 AND 1"));
    assert!(truth(vec![Value::Float(f64::INFINITY)], "x > 9223372036854775807"));
    assert_eq!(through(vec![NULL, int(1)], "x > 0.5"), [NULL, Value::Bool(true)]);
}

#[test]
fn casts_to_times_are_strict() {
    let instant = Value::Timestamp(1_704_060_000_000_000_000);
    assert_eq!(
        through(vec![text("2024-01-01T00:00:00+02:00"), NULL], "CAST(x AS TIMESTAMP WITH TIME ZONE)"),
        [instant, NULL]
    );
    let message = refused(vec![text("2024-01-01T00:00:00+02:00")], "CAST(x AS TIMESTAMP)").message;
    assert!(message.contains("has a zone"), "{message}");
    assert!(refused(vec![int(1)], "DATE '2024-02-30'").message.contains("is not a date"));
    assert_eq!(
        through(vec![text("2024-02-29"), text("?")], "TRY_CAST(x AS DATE)"),
        [Value::Date(19_782), NULL]
    );
    assert_eq!(through(vec![text("10:00")], "CAST(x AS TIME)"), [Value::Time(36_000_000_000_000)]);
    let nanos = || vec![Value::Timestamp(1_704_067_200_000_000_000)];
    assert_eq!(through(nanos(), "x = '2024-01-01 00:00:00.000000001'"), [Value::Bool(false)]);
    assert_eq!(
        through(nanos(), "CAST(x AS TIMESTAMP) = TIMESTAMP '2024-01-01 00:00:00'"),
        [Value::Bool(true)]
    );
    assert!(refused(nanos(), "x = TIMESTAMP '2024-01-01 00:00:00'").message.contains("zone"));
}

#[test]
fn fractions_are_not_cut_off_and_halves_round_away_from_zero() {
    assert!(
        refused(vec![Value::Float(1.7)], "CAST(x AS BIGINT)").message.contains("1.7 is not a whole number")
    );
    assert!(refused(vec![decimal("1.7")], "CAST(x AS BIGINT)").message.contains("1.7 is not a whole number"));
    assert_eq!(through(vec![Value::Float(2.0)], "CAST(x AS BIGINT)"), [int(2)]);
    assert_eq!(through(vec![decimal("1.7")], "CAST(FLOOR(x) AS BIGINT)"), [int(1)]);
    let halves = || vec![decimal("1.25"), decimal("-1.25"), decimal("1.24"), NULL];
    assert_eq!(through(halves(), "round(x, 1)"), [decimal("1.3"), decimal("-1.3"), decimal("1.2"), NULL]);
    assert_eq!(through(vec![decimal("2.5")], "round(x)"), [decimal("3")]);
    assert_eq!(through(vec![Value::Float(2.25)], "round(x, 1)"), [Value::Float(2.2)]);
}

#[test]
fn sums_do_not_wrap_around() {
    let total = decimal("9223372036854775808");
    assert_eq!(through(vec![int(i64::MAX), int(1)], "sum(x) OVER ()"), [total.clone(), total]);
}
