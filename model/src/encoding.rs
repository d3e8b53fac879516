//! The injective encoding of values that digests cover, and that variant columns store.
//!
//! Each value is a tag byte and a payload; texts, bytes, lists and maps carry their length, so no two
//! different sequences of values share an encoding. All integers are little-endian. `docs/encoding.md` has the
//! table, `fixtures/canon/vectors.json` the test vectors for other languages.

use arrow::datatypes::i256;

use crate::decimal::Decimal;
use crate::value::Value;

/// Why bytes are not a canonical value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {problem}")]
pub struct DecodeError {
    /// Where in the bytes.
    pub offset: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

const NULL: u8 = 0x00;
const FALSE: u8 = 0x01;
const TRUE: u8 = 0x02;
const INT: u8 = 0x03;
const UINT: u8 = 0x04;
const DECIMAL: u8 = 0x05;
const FLOAT: u8 = 0x06;
const FLOAT32: u8 = 0x07;
const TEXT: u8 = 0x08;
const BYTES: u8 = 0x09;
const TIMESTAMP: u8 = 0x0a;
const LOCAL_TIMESTAMP: u8 = 0x0b;
const DATE: u8 = 0x0c;
const TIME: u8 = 0x0d;
const UUID: u8 = 0x0e;
const JSON: u8 = 0x0f;
const GEO: u8 = 0x10;
const REF: u8 = 0x11;
const LIST: u8 = 0x12;
const MAP: u8 = 0x13;

/// How deep lists and maps may nest; Firestore allows 20 levels, BSON 100.
pub const MAX_DEPTH: usize = 200;

/// Appends the encoding of `value` to `out`.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(i) => fixed(INT, &i.to_le_bytes(), out),
        // An unsigned integer that fits is the same integer, so it has the same encoding.
        Value::UInt(u) => match i64::try_from(*u) {
            Ok(i) => fixed(INT, &i.to_le_bytes(), out),
            Err(_) => fixed(UINT, &u.to_le_bytes(), out),
        },
        Value::Decimal(d) => {
            out.push(DECIMAL);
            out.extend(d.scale().to_le_bytes());
            out.extend(d.unscaled().to_le_bytes());
        }
        Value::Float(x) => fixed(FLOAT, &x.to_bits().to_le_bytes(), out),
        Value::Float32(x) => fixed(FLOAT32, &x.to_bits().to_le_bytes(), out),
        Value::Text(s) => sized(TEXT, s.as_bytes(), out),
        Value::Bytes(b) => sized(BYTES, b, out),
        Value::Timestamp(n) => fixed(TIMESTAMP, &n.to_le_bytes(), out),
        Value::LocalTimestamp(n) => fixed(LOCAL_TIMESTAMP, &n.to_le_bytes(), out),
        Value::Date(d) => fixed(DATE, &d.to_le_bytes(), out),
        Value::Time(t) => fixed(TIME, &t.to_le_bytes(), out),
        Value::Uuid(u) => fixed(UUID, u, out),
        Value::Json(s) => sized(JSON, s.as_bytes(), out),
        Value::Geo(lat, lon) => {
            fixed(GEO, &lat.to_bits().to_le_bytes(), out);
            out.extend(lon.to_bits().to_le_bytes());
        }
        Value::Ref(s) => sized(REF, s.as_bytes(), out),
        Value::List(items) => {
            fixed(LIST, &(items.len() as u64).to_le_bytes(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Map(entries) => {
            fixed(MAP, &(entries.len() as u64).to_le_bytes(), out);
            for (key, value) in entries {
                sized(TEXT, key.as_bytes(), out);
                encode(value, out);
            }
        }
    }
}

/// Appends the encoding of a text, as [`encode`] does, without building a [`Value`].
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    sized(TEXT, text.as_bytes(), out);
}

fn fixed(tag: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(payload);
}

fn sized(tag: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend((payload.len() as u64).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads one value that fills `bytes` exactly.
///
/// # Errors
/// Where the bytes are not what [`encode`] writes.
pub fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0)?;
    if reader.at != bytes.len() {
        return Err(reader.problem("bytes left over after the value"));
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn problem(&self, problem: &'static str) -> DecodeError {
        DecodeError { offset: self.at, problem }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], DecodeError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return Err(self.problem("the value ends early")) };
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = u64::from_le_bytes(self.array()?);
        match usize::try_from(length) {
            Ok(length) if length <= self.bytes.len() => Ok(length),
            _ => Err(self.problem("a length beyond the end")),
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let length = self.length()?;
        let text = std::str::from_utf8(self.take(length)?).map(str::to_owned);
        text.map_err(|_| self.problem("text that is not UTF-8"))
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(self.problem("nested too deep"));
        }
        let [tag] = self.array()?;
        Ok(match tag {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(i64::from_le_bytes(self.array()?)),
            UINT => Value::UInt(u64::from_le_bytes(self.array()?)),
            DECIMAL => {
                let scale = i32::from_le_bytes(self.array()?);
                Value::Decimal(Decimal::new(i256::from_le_bytes(self.array()?), scale))
            }
            FLOAT => Value::Float(f64::from_bits(u64::from_le_bytes(self.array()?))),
            FLOAT32 => Value::Float32(f32::from_bits(u32::from_le_bytes(self.array()?))),
            TEXT => Value::Text(self.text()?),
            BYTES => {
                let length = self.length()?;
                Value::Bytes(self.take(length)?.to_vec())
            }
            TIMESTAMP => Value::Timestamp(i128::from_le_bytes(self.array()?)),
            LOCAL_TIMESTAMP => Value::LocalTimestamp(i128::from_le_bytes(self.array()?)),
            DATE => Value::Date(i32::from_le_bytes(self.array()?)),
            TIME => Value::Time(i64::from_le_bytes(self.array()?)),
            UUID => Value::Uuid(self.array()?),
            JSON => Value::Json(self.text()?),
            GEO => {
                let lat = f64::from_bits(u64::from_le_bytes(self.array()?));
                Value::Geo(lat, f64::from_bits(u64::from_le_bytes(self.array()?)))
            }
            REF => Value::Ref(self.text()?),
            LIST => {
                let count = self.length()?;
                Value::List((0..count).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?)
            }
            MAP => {
                let count = self.length()?;
                let mut entries = Vec::new();
                for _ in 0..count {
                    if self.array()? != [TEXT] {
                        return Err(self.problem("a map key that is not text"));
                    }
                    let key = self.text()?;
                    entries.push((key, self.value(depth + 1)?));
                }
                Value::map(entries)
            }
            _ => return Err(self.problem("an unknown tag")),
        })
    }
}
