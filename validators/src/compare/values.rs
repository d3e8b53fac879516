//! Equality of two values, rule by rule.

use counterfoil_model::decimal::Decimal;
use counterfoil_model::plan::{ColumnSettings, Unicode};
use counterfoil_model::read::{Epoch, read_as};
use counterfoil_model::{ReadAs, Rule, Value};
use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization;

use counterfoil_model::json;

/// Whether two values are equal, and by which rule. Null equals null here, since nested values have no other
/// place to say so.
pub(super) fn equal(
    expected: &Value,
    actual: &Value,
    settings: &ColumnSettings,
    zone: &TimeZone,
) -> (bool, Rule) {
    if let Some(decided) = numbers(expected, actual, settings) {
        return decided;
    }
    let nested = |e: &Value, a: &Value| equal(e, a, settings, zone).0;
    match (expected, actual) {
        (Value::Null, Value::Null) => (true, Rule::Null1),
        (Value::Null, _) | (_, Value::Null) => (false, Rule::Null1),
        (Value::Bool(e), Value::Bool(a)) => (e == a, Rule::Bool1),
        (Value::Text(e), Value::Text(a)) => (text(e, a, settings), Rule::Txt1),
        (Value::Ref(e), Value::Ref(a) | Value::Text(a)) | (Value::Text(e), Value::Ref(a)) => {
            (e == a, Rule::Ref1)
        }
        (Value::Bytes(e), Value::Bytes(a)) => (e == a, Rule::Bin1),
        (Value::Timestamp(e), Value::Timestamp(a)) => (e == a, Rule::Ts1),
        (Value::LocalTimestamp(e), Value::LocalTimestamp(a)) => (e == a, Rule::Ts1),
        (Value::Timestamp(_), Value::LocalTimestamp(_) | Value::Text(_))
        | (Value::LocalTimestamp(_) | Value::Text(_), Value::Timestamp(_)) => {
            (instants(expected, actual, zone), Rule::Ts1)
        }
        (Value::Date(e), Value::Date(a)) => (e == a, Rule::Date1),
        (Value::Time(e), Value::Time(a)) => (e == a, Rule::Time1),
        (Value::Uuid(e), Value::Uuid(a)) => (e == a, Rule::Uuid1),
        (Value::Geo(e1, e2), Value::Geo(a1, a2)) => {
            (float(*e1, *a1, false) && float(*e2, *a2, false), Rule::Geo1)
        }
        (Value::List(e), Value::List(a)) => {
            (e.len() == a.len() && e.iter().zip(a).all(|(e, a)| nested(e, a)), Rule::List1)
        }
        (Value::Map(e), Value::Map(a)) => {
            (e.len() == a.len() && e.iter().zip(a).all(|(e, a)| e.0 == a.0 && nested(&e.1, &a.1)), Rule::Map1)
        }
        (Value::Json(_), _) | (_, Value::Json(_)) => {
            let same = match (json_side(expected), json_side(actual)) {
                (Ok(e), Ok(a)) => nested(&e.value, &a.value),
                _ => expected == actual,
            };
            (same, Rule::Json1)
        }
        // Inside documents that became JSON: what JSON has no form for is written as text or as an object.
        (Value::Bytes(_), Value::Text(_)) | (Value::Text(_), Value::Bytes(_)) => {
            (bytes(expected, actual, zone), Rule::Bin1)
        }
        (Value::Geo(lat, lon), Value::Map(entries)) | (Value::Map(entries), Value::Geo(lat, lon)) => {
            (geo(*lat, *lon, entries), Rule::Geo1)
        }
        _ => (false, Rule::Read1),
    }
}

/// NUM-1, NUM-2 and FLT-1; `None` where not both are numbers.
fn numbers(expected: &Value, actual: &Value, settings: &ColumnSettings) -> Option<(bool, Rule)> {
    let decided = match (as_float(expected), as_float(actual)) {
        (Some(e), Some(a)) => (float(e, a, settings.exact_bits), Rule::Flt1),
        (Some(float), None) => (float_and_exact(float, as_decimal(actual)?, actual), rule_of(actual)),
        (None, Some(float)) => (float_and_exact(float, as_decimal(expected)?, expected), rule_of(expected)),
        (None, None) => (as_decimal(expected)? == as_decimal(actual)?, Rule::Num1),
    };
    match settings.tolerance {
        Some(tolerance) if !decided.0 => {
            let number = |v: &Value| as_float(v).or_else(|| as_decimal(v).map(|d| d.to_f64()));
            let near = (number(expected)? - number(actual)?).abs() <= tolerance;
            Some((near, decided.1))
        }
        _ => Some(decided),
    }
}

fn rule_of(exact: &Value) -> Rule {
    if matches!(exact, Value::Decimal(_)) { Rule::Num2 } else { Rule::Num1 }
}

/// A float equals an integer only exactly; a decimal also where it is the float's shortest round-trip form.
fn float_and_exact(float: f64, exact: Decimal, original: &Value) -> bool {
    exact.is_exactly(float)
        || (matches!(original, Value::Decimal(_)) && Decimal::shortest(float) == Some(exact))
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Float32(x) => Some(f64::from(*x)),
        _ => None,
    }
}

fn as_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(i) => Some(Decimal::from(i128::from(*i))),
        Value::UInt(u) => Some(Decimal::from(i128::from(*u))),
        Value::Decimal(d) => Some(*d),
        _ => None,
    }
}

fn float(expected: f64, actual: f64, exact_bits: bool) -> bool {
    if expected.is_nan() || actual.is_nan() {
        return expected.is_nan() && actual.is_nan();
    }
    expected == actual && (!exact_bits || expected.to_bits() == actual.to_bits())
}

fn text(expected: &str, actual: &str, settings: &ColumnSettings) -> bool {
    if expected == actual {
        return true;
    }
    let fold = |text: &str| {
        let text = if settings.trim { text.trim() } else { text };
        let text: String =
            if settings.unicode == Unicode::Nfc { text.nfc().collect() } else { text.to_owned() };
        if settings.ignore_case { text.to_lowercase() } else { text }
    };
    fold(expected) == fold(actual)
}

fn instants(expected: &Value, actual: &Value, zone: &TimeZone) -> bool {
    let read = |v: &Value| read_as(v, ReadAs::Timestamp(Epoch::None), zone);
    matches!((read(expected), read(actual)), (Ok(e), Ok(a)) if e == a)
}

fn bytes(expected: &Value, actual: &Value, zone: &TimeZone) -> bool {
    let read = |v: &Value| read_as(v, ReadAs::Base64, zone);
    matches!((read(expected), read(actual)), (Ok(e), Ok(a)) if e == a)
}

/// `{"latitude": .., "longitude": ..}`.
fn geo(latitude: f64, longitude: f64, entries: &[(String, Value)]) -> bool {
    let same = |name: &str, wanted: f64| {
        let found = entries.iter().find(|(key, _)| key == name).map(|(_, v)| v);
        found.is_some_and(|v| {
            numbers(&Value::Float(wanted), v, &ColumnSettings::default()).is_some_and(|n| n.0)
        })
    };
    entries.len() == 2 && same("latitude", latitude) && same("longitude", longitude)
}

/// One side of a JSON comparison.
pub(super) struct JsonSide {
    pub value: Value,
    pub doubled: bool,
}

/// The value that a side means: parsed where it is JSON text, itself where it is a document's value.
pub(super) fn json_side(value: &Value) -> Result<JsonSide, ()> {
    match value {
        Value::Json(text) => match json::parse(text) {
            Ok(parsed) => Ok(JsonSide { value: parsed.value, doubled: !parsed.duplicate_keys.is_empty() }),
            Err(_) => Err(()),
        },
        other => Ok(JsonSide { value: other.clone(), doubled: false }),
    }
}
