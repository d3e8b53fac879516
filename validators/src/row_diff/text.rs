//! In a few words, how two values differ.

use counterfoil_model::pair::ColumnPair;
use counterfoil_model::read::read_as;
use counterfoil_model::wording::count;
use counterfoil_model::{Value, time};
use jiff::tz::TimeZone;

use crate::compare::{json_value, same};

/// The most characters of a value that a message quotes.
const BRIEF: usize = 40;

/// What a person should know about two values that differ.
pub(crate) fn what_differs(expected: &Value, actual: &Value, column: &ColumnPair, zone: &TimeZone) -> String {
    let read = |v: &Value| match column.read {
        Some(read) => read_as(v, read, zone),
        None => Ok(v.clone()),
    };
    match (read(expected), read(actual)) {
        (Err(_), Ok(_)) => format!("the expected value can't be read as {}", wanted(column)),
        (Ok(_), Err(_)) => format!("the value can't be read as {}", wanted(column)),
        (Ok(e), Ok(a)) => match (json_value(&e), json_value(&a)) {
            (Some(left), Some(right)) if is_nested(&left) && is_nested(&right) => {
                let mut places = Places { column, zone, first: None, count: 0 };
                places.walk(&left, &right, "$");
                places.in_words().unwrap_or_else(|| described(&e, &a))
            }
            _ => described(&e, &a),
        },
        (Err(_), Err(_)) => described(expected, actual),
    }
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

/// Where two documents differ.
struct Places<'a> {
    column: &'a ColumnPair,
    zone: &'a TimeZone,
    first: Option<String>,
    count: u64,
}

impl Places<'_> {
    /// Both sides' entries and elements, in order; a path is as in SQL's JSON functions: `$.rect.x`, `$.tags[0]`.
    fn walk(&mut self, expected: &Value, actual: &Value, path: &str) {
        match (expected, actual) {
            (Value::Map(e), Value::Map(a)) => {
                for (key, left) in e {
                    let inner = format!("{path}.{key}");
                    match a.iter().find(|(k, _)| k == key) {
                        Some((_, right)) => self.walk(left, right, &inner),
                        None => self.note(|| format!("{inner} is missing")),
                    }
                }
                for (key, _) in a.iter().filter(|(key, _)| !e.iter().any(|(k, _)| k == key)) {
                    self.note(|| format!("{path}.{key} was not expected"));
                }
            }
            (Value::List(e), Value::List(a)) => {
                if e.len() != a.len() {
                    self.note(|| format!("{path} has {} instead of {}", count_of(a.len()), e.len()));
                }
                e.iter().zip(a).enumerate().for_each(|(i, (l, r))| self.walk(l, r, &format!("{path}[{i}]")));
            }
            (e, a) if same(e, a, self.column, self.zone) => {}
            (e, a) if e.to_json_text() == a.to_json_text() => {
                self.note(|| format!("{path} is {} instead of {}", a.type_name(), e.type_name()));
            }
            (e, a) => self.note(|| format!("{path} is {} instead of {}", brief(a), brief(e))),
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.first.get_or_insert_with(what);
        self.count += 1;
    }

    fn in_words(self) -> Option<String> {
        let first = self.first?;
        Some(match self.count {
            1 => first,
            n => format!("{first}, and {}", count(n - 1, "more place", "more places")),
        })
    }
}

fn count_of(elements: usize) -> String {
    count(elements as u64, "element", "elements")
}

/// A value inside of a document, cut.
fn brief(value: &Value) -> String {
    let text = value.to_json_text();
    let cut: String = text.chars().take(BRIEF).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
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
        format!("off by {:?}", actual - expected)
    }
}

fn shift(nanos: i128) -> String {
    let (sign, nanos) = if nanos < 0 { ("earlier", -nanos) } else { ("later", nanos) };
    let seconds = nanos / time::NANOS;
    let (days, clock) = (seconds / 86_400, (nanos % (86_400 * time::NANOS)) as i64);
    if days == 0 {
        return format!("{} {sign}", time::format_time(clock));
    }
    format!("{} and {} {sign}", count(days as u64, "day", "days"), time::format_time(clock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_model::Type;
    use counterfoil_model::json::parse;
    use counterfoil_model::plan::{ColumnSettings, NullVsEmpty};

    fn words(expected: &str, actual: &str) -> String {
        let column = ColumnPair {
            name: "c".into(),
            expected: 0,
            actual: 0,
            expected_type: Type::Json,
            actual_type: Type::Json,
            read: None,
            read_by_plan: false,
            settings: ColumnSettings::default(),
            null_vs_empty: NullVsEmpty::Distinct,
            in_key: false,
        };
        // One side a document, the other JSON text, as with Firestore and SQLite.
        what_differs(&parse(expected).unwrap().value, &Value::Json(actual.into()), &column, &TimeZone::UTC)
    }

    #[test]
    fn documents_say_where_they_differ() {
        assert_eq!(
            words(r#"{"a":{"b":[1,2.50]}}"#, r#"{"a":{"b":[1.0,3]}}"#),
            "$.a.b[1] is 3 instead of 2.5"
        );
        assert_eq!(words(r#"{"a":1,"b":2}"#, r#"{"b":2}"#), "$.a is missing");
        assert_eq!(words(r#"{"b":2}"#, r#"{"a":1,"b":2}"#), "$.a was not expected");
        assert_eq!(words("[1]", "[1,2]"), "$ has 2 elements instead of 1");
        assert_eq!(
            words(r#"{"a":1,"b":2,"c":3}"#, r#"{"a":2,"b":1,"c":3}"#),
            "$.a is 2 instead of 1, and 1 more place"
        );
        assert_eq!(words(r#"{"a":true}"#, r#"{"a":"true"}"#), r#"$.a is "true" instead of true"#);
        assert_eq!(words(r#"{"a":null}"#, "{}"), "$.a is missing");
    }
}
