//! Keys: which columns, their canonical byte order, and their text in findings.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::Int64Type;
use jiff::tz::TimeZone;

use crate::column::value_at;
use crate::decimal::Decimal;
use crate::json;
use crate::keys::Keys;
use crate::read::{ReadAs, read_as};
use crate::types::Type;
use crate::value::Value;

/// The key of a table: column positions, and how each is read before keys are ordered and compared.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// Positions of the key columns in the schema, in key order.
    pub columns: Vec<usize>,
    /// For each of them, the type it is read as first; `None` takes the value as it is.
    pub read: Vec<Option<ReadAs>>,
    /// The zone of times that have none.
    pub zone: TimeZone,
}

impl KeySpec {
    /// A key of columns whose values are taken as they are.
    pub fn plain(columns: Vec<usize>) -> Self {
        let read = vec![None; columns.len()];
        Self { columns, read, zone: TimeZone::UTC }
    }

    /// The key values of one row of a batch that has all columns of the schema.
    pub fn values(&self, batch: &RecordBatch, row: usize) -> Vec<Value> {
        self.columns
            .iter()
            .zip(&self.read)
            .map(|(column, read)| {
                let kind = Type::of(batch.schema().field(*column)).unwrap_or(Type::Null);
                let value = value_at(batch.column(*column), kind, row);
                match read {
                    // A key that can't be read stays what it is, and then has no partner.
                    Some(read) => read_as(&value, *read, &self.zone).unwrap_or(value),
                    None => value,
                }
            })
            .collect()
    }

    /// The ordered encoding of the key of every row.
    pub fn encode_batch(&self, batch: &RecordBatch) -> Keys {
        let schema = batch.schema();
        let parts: Vec<Part<'_>> = self
            .columns
            .iter()
            .zip(&self.read)
            .map(|(column, read)| {
                let kind = Type::of(schema.field(*column)).unwrap_or(Type::Null);
                Part::new(batch.column(*column), kind, *read)
            })
            .collect();
        let rows = batch.num_rows();
        let mut keys = Keys::with_capacity(rows, rows * parts.len() * 12);
        for row in 0..rows {
            keys.push_with(|out| parts.iter().for_each(|part| part.encode(row, &self.zone, out)));
        }
        keys
    }

    /// The keys of the first and the last row, where each key is greater than the one before.
    pub fn ends_if_ascending(&self, batch: &RecordBatch) -> Option<Ends> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Some(Ends::Empty);
        }
        let key = |row: usize| self.encode_batch(&batch.slice(row, 1)).first().unwrap_or_default().to_vec();
        let single = match (self.columns.as_slice(), self.read.as_slice()) {
            ([column], [None]) => batch.column(*column).as_primitive_opt::<Int64Type>(),
            _ => None,
        };
        let kind = |column: &usize| Type::of(batch.schema().field(*column));
        let ascending = match single {
            Some(ids) if ids.null_count() == 0 && self.columns.iter().all(|c| kind(c) == Some(Type::Int)) => {
                ids.values().is_sorted_by(|a, b| a < b)
            }
            _ => self.encode_batch(batch).ascend_strictly(),
        };
        ascending.then(|| Ends::Keys { first: key(0), last: key(rows - 1) })
    }
}

/// Where the keys of a batch begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// There is no row.
    Empty,
    /// The encoded keys of the first and the last row.
    Keys {
        /// Of the first.
        first: Vec<u8>,
        /// Of the last.
        last: Vec<u8>,
    },
}

/// A key column; the commonest types go without a [`Value`] in between.
enum Part<'a> {
    Int(&'a Int64Array),
    Text(&'a StringViewArray),
    Other(&'a dyn Array, Type, Option<ReadAs>),
}

impl<'a> Part<'a> {
    fn new(array: &'a dyn Array, kind: Type, read: Option<ReadAs>) -> Self {
        match (kind, read) {
            (Type::Int, None) => Self::Int(array.as_primitive()),
            (Type::Text, None) => Self::Text(array.as_string_view()),
            _ => Self::Other(array, kind, read),
        }
    }

    fn encode(&self, row: usize, zone: &TimeZone, out: &mut Vec<u8>) {
        match self {
            Self::Int(array) if array.is_valid(row) => whole(array.value(row), out),
            Self::Text(array) if array.is_valid(row) => escaped(0x30, array.value(row).as_bytes(), out),
            Self::Int(_) | Self::Text(_) => encode_ordered(&Value::Null, out),
            Self::Other(array, kind, read) => {
                let value = value_at(*array, *kind, row);
                let value = match read {
                    // A key that can't be read stays what it is, and then has no partner.
                    Some(read) => read_as(&value, *read, zone).unwrap_or(value),
                    None => value,
                };
                encode_ordered(&value, out);
            }
        }
    }
}

/// Appends an encoding whose byte order is counterfoil's key order: null first, then booleans, numbers (by
/// value, of any numeric type), text, references, bytes, times, UUIDs, and the rest. Equal under the equality
/// rules gives equal bytes: 1, 1.0 and decimal 1.00 are one key.
pub fn encode_ordered(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0x00),
        Value::Bool(b) => out.extend([0x10, u8::from(*b)]),
        Value::Int(i) => whole(*i, out),
        Value::UInt(u) => number(Decimal::from(i128::from(*u)), out),
        Value::Decimal(d) => number(*d, out),
        Value::Float(f) => float(*f, out),
        Value::Float32(f) => float(f64::from(*f), out),
        Value::Text(s) => escaped(0x30, s.as_bytes(), out),
        Value::Ref(s) => escaped(0x31, s.as_bytes(), out),
        Value::Json(s) => match json::parse(s) {
            // As the value that it is: neither white space nor the order of keys counts.
            Ok(parsed) if parsed.value.is_null() => escaped(0x32, b"null", out),
            Ok(parsed) if parsed.duplicate_keys.is_empty() => encode_ordered(&parsed.value, out),
            _ => escaped(0x32, s.as_bytes(), out),
        },
        Value::Bytes(b) => escaped(0x40, b, out),
        Value::Timestamp(n) => flipped(0x50, *n, out),
        Value::LocalTimestamp(n) => flipped(0x51, *n, out),
        Value::Date(d) => flipped(0x52, i128::from(*d), out),
        Value::Time(t) => flipped(0x53, i128::from(*t), out),
        Value::Uuid(u) => {
            out.push(0x60);
            out.extend_from_slice(u);
        }
        Value::Geo(latitude, longitude) => {
            out.push(0x70);
            float(*latitude, out);
            float(*longitude, out);
        }
        Value::List(items) => {
            out.push(0x71);
            for item in items {
                out.push(1);
                encode_ordered(item, out);
            }
            out.push(0);
        }
        Value::Map(entries) => {
            out.push(0x72);
            for (key, item) in entries {
                escaped(0x30, key.as_bytes(), out);
                encode_ordered(item, out);
            }
            out.push(0);
        }
    }
}

/// The key of a row in findings and differences: a JSON array of its values.
pub fn to_json(values: &[Value]) -> String {
    Value::List(values.to_vec()).to_json_text()
}

fn flipped(tag: u8, value: i128, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend((value as u128 ^ (1 << 127)).to_be_bytes());
}

/// Zero bytes become `00 FF` and `00 00` ends the run, so that a prefix sorts before what it begins.
fn escaped(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    if bytes.contains(&0) {
        for byte in bytes {
            out.push(*byte);
            if *byte == 0 {
                out.push(0xff);
            }
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&[0, 0]);
}

fn float(value: f64, out: &mut Vec<u8>) {
    match Decimal::shortest(value) {
        Some(decimal) => number(decimal, out),
        None if value.is_nan() => out.push(0x2f),
        None => out.push(if value > 0.0 { 0x2e } else { 0x20 }),
    }
}

/// Whole numbers of 64 bits, which nearly all keys are, take ten bytes.
fn whole(value: i64, out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h] = (value as u64 ^ (1 << 63)).to_be_bytes();
    out.extend_from_slice(&[0x26, a, b, c, d, e, f, g, h, 0]);
}

/// Sign, order of magnitude, digits: the order of the bytes is the order of the numbers.
fn number(value: Decimal, out: &mut Vec<u8>) {
    if let Some(small) = value.to_i128().and_then(|v| i64::try_from(v).ok()) {
        return whole(small, out);
    }
    let whole_floor = floor(value);
    if let Some(small) = whole_floor.and_then(|v| i64::try_from(v).ok()) {
        // A fraction sorts after its floor and before the next whole number.
        out.push(0x26);
        out.extend((small as u64 ^ (1 << 63)).to_be_bytes());
        let fraction = subtract(value, small);
        let digits = fraction.trim_start_matches("0.");
        out.push(1);
        out.extend_from_slice(digits.as_bytes());
        out.push(0);
        return;
    }
    // Beyond 64 bits: by number of digits before the point, then digit by digit; negatives inverted.
    let negative = value.unscaled().is_negative();
    let digits = value.unscaled().to_string();
    let digits = digits.trim_start_matches('-');
    let magnitude = (digits.len() as i64 - i64::from(value.scale())) as u64 ^ (1 << 63);
    let mut body: Vec<u8> = magnitude.to_be_bytes().to_vec();
    body.extend_from_slice(digits.as_bytes());
    body.push(0);
    if negative {
        body.iter_mut().for_each(|b| *b = !*b);
    }
    out.push(if negative { 0x24 } else { 0x28 });
    out.extend(body);
}

fn floor(value: Decimal) -> Option<i128> {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole: i128 = whole.parse().ok()?;
    Some(if text.starts_with('-') && !fraction.is_empty() { whole - 1 } else { whole })
}

/// `value - floor`, written as `0.ddd`.
fn subtract(value: Decimal, floor: i64) -> String {
    use arrow::datatypes::i256;
    let scale = value.scale().max(0);
    let mut unit = i256::from_i128(i128::from(floor));
    for _ in 0..scale {
        unit = unit.wrapping_mul(i256::from_i128(10));
    }
    Decimal::new(value.unscaled().wrapping_sub(unit), scale).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        encode_ordered(value, &mut out);
        out
    }

    #[test]
    fn numbers_order_by_value_across_types() {
        let d = |t: &str| Value::Decimal(Decimal::parse(t).unwrap());
        let ascending = [
            Value::Float(f64::NEG_INFINITY),
            d("-1e30"),
            Value::Int(i64::MIN),
            Value::Int(-2),
            d("-1.5"),
            Value::Int(-1),
            Value::Float(-0.25),
            Value::Int(0),
            Value::Float(1e-7),
            d("0.5"),
            Value::Float(0.75),
            Value::UInt(1),
            d("1.25"),
            Value::Int(i64::MAX),
            Value::UInt(u64::MAX),
            d("1e30"),
            Value::Float(1e300),
            Value::Float(f64::INFINITY),
            Value::Float(f64::NAN),
        ];
        for pair in ascending.windows(2) {
            assert!(bytes(&pair[0]) < bytes(&pair[1]), "{:?} < {:?}", pair[0], pair[1]);
        }
        assert_eq!(bytes(&Value::Int(1)), bytes(&d("1.00")));
        assert_eq!(bytes(&Value::Float(1.0)), bytes(&Value::UInt(1)));
        assert_eq!(bytes(&Value::Float(0.99)), bytes(&d("0.99")));
        assert_eq!(bytes(&Value::Float(-0.0)), bytes(&Value::Int(0)));
    }

    proptest! {
        #[test]
        fn text_keys_order_by_bytes_and_never_collide(a in ".{0,8}", b in ".{0,8}", c in ".{0,3}", d in ".{0,3}") {
            let one = Value::Text(a.clone());
            let two = Value::Text(b.clone());
            prop_assert_eq!(bytes(&one).cmp(&bytes(&two)), a.as_bytes().cmp(b.as_bytes()));
            let join = |x: &str, y: &str| [bytes(&Value::Text(x.into())), bytes(&Value::Text(y.into()))].concat();
            prop_assert_eq!(join(&a, &c) == join(&b, &d), a == b && c == d);
        }

        #[test]
        fn integer_and_decimal_keys_order_by_value(a in any::<i64>(), b in any::<i64>(), s in 0_i32..6) {
            prop_assert_eq!(bytes(&Value::Int(a)).cmp(&bytes(&Value::Int(b))), a.cmp(&b));
            let scaled = |v: i64| Decimal::new(arrow::datatypes::i256::from_i128(i128::from(v)), s);
            let key = |v: i64| bytes(&Value::Decimal(scaled(v)));
            prop_assert_eq!(key(a).cmp(&key(b)), scaled(a).cmp(&scaled(b)));
        }
    }
}
