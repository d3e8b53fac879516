//! The published rules, one by one: what is equal, what is not, and which rule said so.

use counterfoil_model::decimal::Decimal;
use counterfoil_model::{Rule, Type, Value};
use counterfoil_validators::compare::Comparator;
use jiff::tz::TimeZone;

use crate::support::column_pair;

fn d(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

fn t(text: &str) -> Value {
    Value::Text(text.into())
}

fn compared(expected: &Value, actual: &Value, read: Option<&str>) -> (bool, Rule) {
    let read = read.map(|r| r.parse().unwrap());
    let mut pair = column_pair(expected.column_type(), actual.column_type(), read);
    // Cells of mixed columns compare like any others.
    (pair.expected_type, pair.actual_type) = (Type::Variant, Type::Variant);
    let cell = Comparator::new(&pair, &TimeZone::UTC).unwrap().compare(expected, actual);
    (cell.equal, cell.rule)
}

#[test]
fn every_rule_tells_equal_from_different() {
    let cases = [
        (Value::Null, Value::Null, None, true, Rule::Null1),
        (Value::Null, t(""), None, false, Rule::Null1),
        (Value::Null, Value::Int(0), None, false, Rule::Null1),
        (Value::Bool(true), Value::Int(1), Some("bool"), true, Rule::Bool1),
        (Value::Bool(true), Value::Int(2), Some("bool"), false, Rule::Read1),
        (Value::Int(7), Value::UInt(7), None, true, Rule::Num1),
        (d("1.50"), d("1.5"), None, true, Rule::Num1),
        (Value::Int(2), Value::Float(2.0), None, true, Rule::Num1),
        (Value::Int(9_007_199_254_740_993), Value::Float(9_007_199_254_740_992.0), None, false, Rule::Num1),
        (d("0.99"), Value::Float(0.99), None, true, Rule::Num2),
        (d("0.990000000001"), Value::Float(0.99), None, false, Rule::Num2),
        (Value::Float(0.1 + 0.2), Value::Float(0.3), None, false, Rule::Flt1),
        (Value::Float(f64::NAN), Value::Float(-f64::NAN), None, true, Rule::Flt1),
        (Value::Float(-0.0), Value::Float(0.0), None, true, Rule::Flt1),
        (t("e\u{301}"), t("é"), None, false, Rule::Txt1),
        (t("a "), t("a"), None, false, Rule::Txt1),
        (t("12.50"), Value::Float(12.5), Some("decimal(5,2)"), true, Rule::Dec1),
        (t("12,5"), Value::Float(12.5), Some("decimal(5,2)"), false, Rule::Read1),
        (t("aGk="), Value::Bytes(b"hi".to_vec()), Some("base64"), true, Rule::Bin1),
        (t("2026-01-05T10:00:00+05:30"), t("2026-01-05 04:30:00Z"), Some("timestamp"), true, Rule::Ts1),
        (t("2026-01-05T10:00:00Z"), t("2026-01-05T10:00:00.000000001Z"), Some("timestamp"), false, Rule::Ts1),
        (t("2026-01-05"), Value::Date(20_458), Some("date"), true, Rule::Date1),
        (t("{\"a\": 1, \"b\": [1, 2]}"), t("{\"b\":[1.0,2],\"a\":1}"), Some("json"), true, Rule::Json1),
        (t("[1, 2]"), t("[2, 1]"), Some("json"), false, Rule::Json1),
        (t("{\"a\": null}"), t("{}"), Some("json"), false, Rule::Json1),
        (t("{\"a\": 1}"), t("{\"a\": 2, \"a\": 1}"), Some("json"), false, Rule::Json1),
        (t("{}"), t("{"), Some("json"), false, Rule::Read1),
        (t("[1e300]"), t("[1.0e+300]"), Some("json"), true, Rule::Json1),
        (t("[1e400]"), t("[2e400]"), Some("json"), false, Rule::Json1),
        (t("[1e-400]"), t("[0]"), Some("json"), false, Rule::Json1),
        (t("[1e400]"), t("[1e400]"), Some("json"), true, Rule::Json1),
        (t("1e400"), Value::Float(f64::INFINITY), Some("float"), false, Rule::Read1),
        (t("-inf"), Value::Float(f64::NEG_INFINITY), Some("float"), true, Rule::Dec1),
        (
            Value::map(vec![("at".into(), Value::Timestamp(0))]),
            t("{\"at\": \"1970-01-01T00:00:00Z\"}"),
            Some("json"),
            true,
            Rule::Json1,
        ),
        (Value::Ref("users/u1".into()), t("users/u1"), None, true, Rule::Ref1),
        (Value::Geo(1.0, 2.0), Value::Geo(1.0, 2.0), None, true, Rule::Geo1),
        (
            t("00112233445566778899AABBCCDDEEFF"),
            t("{00112233-4455-6677-8899-aabbccddeeff}"),
            Some("uuid"),
            true,
            Rule::Uuid1,
        ),
        (t("soon"), t("soon"), Some("timestamp"), true, Rule::Txt1),
        (t("soon"), t("2026-01-05"), Some("timestamp"), false, Rule::Read1),
    ];
    for (expected, actual, read, equal, rule) in cases {
        assert_eq!(
            compared(&expected, &actual, read),
            (equal, rule),
            "{expected:?} and {actual:?} as {read:?}"
        );
        assert_eq!(
            compared(&actual, &expected, read).0,
            equal,
            "equality goes both ways: {expected:?} and {actual:?}"
        );
    }
}

#[test]
fn types_without_a_rule_are_one_gap_that_names_the_as_to_add() {
    for (expected, actual, wanted) in [
        (Type::Bool, Type::Int, "as: bool"),
        (Type::Timestamp, Type::Int, "as: timestamp"),
        (Type::Uuid, Type::Text, "as: uuid"),
        (Type::Text, Type::Int, "as: decimal"),
        (Type::Geo, Type::Text, "as: json"),
    ] {
        let gap = Comparator::new(&column_pair(expected, actual, None), &TimeZone::UTC).unwrap_err();
        assert!(gap.reason.contains(wanted), "{}", gap.reason);
    }
}
