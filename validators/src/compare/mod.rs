//! The published equality rules (docs/equality.md) over canonical values and columns.

mod fast;
mod values;

use arrow::array::Array;
use counterfoil_model::pair::ColumnPair;
use counterfoil_model::plan::NullVsEmpty;
use counterfoil_model::read::read_as;
use counterfoil_model::{ReadAs, Rule, Type, Value, value_at};
use jiff::tz::TimeZone;

/// How two cells came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whether they are equal.
    pub equal: bool,
    /// The rule that said so.
    pub rule: Rule,
    /// Whether a cell could not be read as the type it should have.
    pub unreadable: bool,
}

/// Two columns have no rule in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomparable {
    /// Why, and which `as:` to add.
    pub reason: String,
}

/// Compares the cells of one pair of columns.
#[derive(Clone, Debug)]
pub struct Comparator {
    pair: ColumnPair,
    zone: TimeZone,
}

impl Comparator {
    /// A comparator for a pair of columns.
    ///
    /// # Errors
    /// Where the types have no rule in common: that is one gap in the coverage, never a thousand differences.
    pub fn new(pair: &ColumnPair, zone: &TimeZone) -> Result<Self, Incomparable> {
        if pair.read.is_some() || have_a_rule(pair.expected_type, pair.actual_type) {
            return Ok(Self { pair: pair.clone(), zone: zone.clone() });
        }
        let (expected, actual) = (pair.expected_type, pair.actual_type);
        let wanted = suggestion(expected, actual);
        let reason = format!(
            "{expected} and {actual} have no rule in common; say how to read both with 'as: {wanted}'"
        );
        Err(Incomparable { reason })
    }

    /// Compares two cells.
    pub fn compare(&self, expected: &Value, actual: &Value) -> Cell {
        let cell = |equal, rule| Cell { equal, rule, unreadable: false };
        if self.pair.null_vs_empty == NullVsEmpty::Equal && blank(expected) && blank(actual) {
            return cell(true, Rule::Null1);
        }
        if expected.is_null() || actual.is_null() {
            return cell(expected.is_null() && actual.is_null(), Rule::Null1);
        }
        let Some(read) = self.pair.read else { return self.plain(expected, actual) };
        match (read_as(expected, read, &self.zone), read_as(actual, read, &self.zone)) {
            (Ok(e), Ok(a)) => {
                let mut cell = self.plain(&e, &a);
                if read == ReadAs::Json {
                    return self.json(&e, &a);
                }
                if matches!((expected, actual), (Value::Text(_), _) | (_, Value::Text(_))) && is_number(&e) {
                    cell.rule = Rule::Dec1;
                }
                cell
            }
            // Neither can be read: what is there is compared as it is, and counted as unreadable.
            (Err(_), Err(_)) => Cell { unreadable: true, ..self.plain(expected, actual) },
            _ => Cell { equal: false, rule: Rule::Read1, unreadable: true },
        }
    }

    fn plain(&self, expected: &Value, actual: &Value) -> Cell {
        let (equal, rule) = values::equal(expected, actual, &self.pair.settings, &self.zone);
        Cell { equal, rule, unreadable: false }
    }

    /// JSON on at least one side: text that is no JSON is unreadable.
    fn json(&self, expected: &Value, actual: &Value) -> Cell {
        match (values::json_side(expected), values::json_side(actual)) {
            (Ok(e), Ok(a)) => {
                // A key that stands twice says two things, so it equals nothing but the same text.
                let doubled = e.doubled || a.doubled;
                let equal = values::equal(&e.value, &a.value, &self.pair.settings, &self.zone).0
                    || (e.value.is_null() && a.value.is_null());
                Cell {
                    equal: expected == actual || (equal && !doubled),
                    rule: Rule::Json1,
                    unreadable: false,
                }
            }
            (Err(()), Err(())) => Cell { equal: expected == actual, rule: Rule::Json1, unreadable: true },
            _ => Cell { equal: false, rule: Rule::Read1, unreadable: true },
        }
    }

    /// Compares two cells of the columns.
    pub fn compare_at(&self, expected: &dyn Array, at: usize, actual: &dyn Array, against: usize) -> Cell {
        self.compare(
            &value_at(expected, self.pair.expected_type, at),
            &value_at(actual, self.pair.actual_type, against),
        )
    }

    /// Which rows of two columns of equal length have to be looked at cell by cell. Rows that are not named are
    /// equal beyond doubt: the same canonical type and the same bits.
    pub fn suspects(&self, expected: &dyn Array, actual: &dyn Array) -> Vec<usize> {
        if self.pair.expected_type == self.pair.actual_type && fast::applies(self.pair.expected_type) {
            return fast::differing_rows(expected, actual);
        }
        (0..expected.len()).collect()
    }

    /// The rule that equal cells of these columns are equal under; for rows that need no closer look.
    pub fn usual_rule(&self) -> Rule {
        if let Some(read) = self.pair.read {
            return match read {
                ReadAs::Text => Rule::Txt1,
                ReadAs::Int | ReadAs::Decimal(_) => Rule::Num1,
                ReadAs::Float => Rule::Flt1,
                ReadAs::Bool => Rule::Bool1,
                ReadAs::Timestamp(_) => Rule::Ts1,
                ReadAs::Date => Rule::Date1,
                ReadAs::Time => Rule::Time1,
                ReadAs::Uuid => Rule::Uuid1,
                ReadAs::Json => Rule::Json1,
                ReadAs::Base64 | ReadAs::Hex => Rule::Bin1,
            };
        }
        match self.pair.actual_type {
            Type::Null => Rule::Null1,
            Type::Bool => Rule::Bool1,
            Type::Int | Type::UInt | Type::Decimal { .. } => Rule::Num1,
            Type::Float | Type::Float32 => Rule::Flt1,
            Type::Text => Rule::Txt1,
            Type::Bytes => Rule::Bin1,
            Type::Timestamp | Type::LocalTimestamp => Rule::Ts1,
            Type::Date => Rule::Date1,
            Type::Time => Rule::Time1,
            Type::Uuid => Rule::Uuid1,
            Type::Json => Rule::Json1,
            Type::Geo => Rule::Geo1,
            Type::Ref => Rule::Ref1,
            Type::Variant => Rule::Map1,
        }
    }
}

/// Whether two values inside of documents are equal, as [`Comparator::compare`] sees them.
pub(crate) fn same(expected: &Value, actual: &Value, column: &ColumnPair, zone: &TimeZone) -> bool {
    values::equal(expected, actual, &column.settings, zone).0
}

/// The value that JSON means; `None` where it is no JSON.
pub(crate) fn json_value(value: &Value) -> Option<Value> {
    values::json_side(value).ok().map(|side| side.value)
}

fn blank(value: &Value) -> bool {
    value.is_null() || matches!(value, Value::Text(s) if s.is_empty())
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::UInt(_) | Value::Decimal(_) | Value::Float(_) | Value::Float32(_))
}

/// Whether values of two types can be compared without reading them as something else.
fn have_a_rule(expected: Type, actual: Type) -> bool {
    use Type::{Json, LocalTimestamp, Null, Ref, Text, Timestamp, Variant};
    match (expected, actual) {
        (e, a) if e == a => true,
        (Null, _) | (_, Null) => true,
        (e, a) if e.is_number() && a.is_number() => true,
        (Timestamp, LocalTimestamp) | (LocalTimestamp, Timestamp) => true,
        (Ref, Text) | (Text, Ref) | (Json, Variant) | (Variant, Json) => true,
        // A column of mixed types compares value by value with columns of plain values; documents' lists and maps
        // against text need 'as: json' to say that the text is JSON.
        (Variant, a) | (a, Variant) => {
            a.is_number() || matches!(a, Type::Bool | Type::Bytes | Text | Type::Date | Timestamp)
        }
        _ => false,
    }
}

fn suggestion(expected: Type, actual: Type) -> &'static str {
    let either = |kind: Type| expected == kind || actual == kind;
    if either(Type::Timestamp) || either(Type::LocalTimestamp) {
        "timestamp"
    } else if either(Type::Bool) {
        "bool"
    } else if either(Type::Uuid) {
        "uuid"
    } else if either(Type::Json) || either(Type::Variant) || either(Type::Geo) {
        "json"
    } else if either(Type::Date) {
        "date"
    } else if either(Type::Time) {
        "time"
    } else if either(Type::Bytes) {
        "base64"
    } else if expected.is_number() || actual.is_number() {
        "decimal"
    } else {
        "text"
    }
}
