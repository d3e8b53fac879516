//! In a few words, how two values differ.

use counterfoil_model::pair::ColumnPair;
use counterfoil_model::read::read_as;
use counterfoil_model::{Value, time};
use jiff::tz::TimeZone;

/// What a person should know about two values that differ.
pub(crate) fn what_differs(expected: &Value, actual: &Value, column: &ColumnPair, zone: &TimeZone) -> String {
    let read = |v: &Value| match column.read {
        Some(read) => read_as(v, read, zone),
        None => Ok(v.clone()),
    };
    match (read(expected), read(actual)) {
        (Err(_), Ok(_)) => format!("the expected value can't be read as {}", wanted(column)),
        (Ok(_), Err(_)) => format!("the value can't be read as {}", wanted(column)),
        (Ok(e), Ok(a)) => described(&e, &a),
        (Err(_), Err(_)) => described(expected, actual),
    }
}

fn wanted(column: &ColumnPair) -> String {
    column.read.map_or_else(|| column.expected_type.to_string(), |r| r.to_string())
}

fn described(expected: &Value, actual: &Value) -> String {
    match (expected, actual) {
        (Value::Null, _) => "null was expected".into(),
        (_, Value::Null) => "null instead of a value".into(),
        (Value::Text(e), Value::Text(a)) => texts(e, a),
        (Value::Float(e), Value::Float(a)) => floats(*e, *a),
        (Value::Timestamp(e), Value::Timestamp(a)) => shift(a - e),
        (Value::Bytes(e), Value::Bytes(a)) if e.len() != a.len() => {
            format!("{} bytes instead of {}", a.len(), e.len())
        }
        (e, a) if e.type_name() != a.type_name() => format!("{} instead of {}", a.type_name(), e.type_name()),
        _ => "the values differ".into(),
    }
}

fn texts(expected: &str, actual: &str) -> String {
    if expected.trim() == actual.trim() {
        return "only white space at the ends differs".into();
    }
    if expected.to_lowercase() == actual.to_lowercase() {
        return "only upper and lower case differ".into();
    }
    if !actual.is_empty() && expected.starts_with(actual) {
        return format!(
            "cut off after {} of {} characters",
            actual.chars().count(),
            expected.chars().count()
        );
    }
    let same = expected.chars().zip(actual.chars()).take_while(|(e, a)| e == a).count();
    format!("differs from character {}", same + 1)
}

/// How far apart two floats are.
pub(crate) fn floats(expected: f64, actual: f64) -> String {
    if !expected.is_finite() || !actual.is_finite() {
        return "the values differ".into();
    }
    // Floats of one sign are ordered like their bits; mapped so, neighbours are one apart.
    let ordered = |x: f64| {
        let bits = x.to_bits() as i64;
        i128::from(if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits })
    };
    let ulps = (ordered(expected) - ordered(actual)).unsigned_abs();
    let plural = if ulps == 1 { "" } else { "s" };
    if ulps <= 1_000_000 {
        format!("off by {ulps} unit{plural} in the last place")
    } else if actual == f64::from(expected as f32) {
        "rounded to single precision".into()
    } else {
        format!("off by {:e}", actual - expected)
    }
}

fn shift(nanos: i128) -> String {
    let (sign, nanos) = if nanos < 0 { ("earlier", -nanos) } else { ("later", nanos) };
    let seconds = nanos / time::NANOS;
    let (days, clock) = (seconds / 86_400, (nanos % (86_400 * time::NANOS)) as i64);
    if days == 0 {
        return format!("{} {sign}", time::format_time(clock));
    }
    format!("{days} days and {} {sign}", time::format_time(clock))
}
