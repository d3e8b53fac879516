//! Datastore entities, as exports hold Firestore's documents, into canonical values.

use counterfoil_model::Value;

use super::proto::{Field, Fields};

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    /// Collection and id, from the outermost to the document's own.
    pub path: Vec<(String, String)>,
    /// Fields in the order of the export.
    pub fields: Vec<(String, Value)>,
}

impl Document {
    /// `reviews/r1/highlights/h1`.
    pub(super) fn full_path(&self) -> String {
        join(&self.path)
    }

    /// `reviews/highlights`.
    pub(super) fn table(&self) -> String {
        let names: Vec<&str> = self.path.iter().map(|(collection, _)| collection.as_str()).collect();
        names.join("/")
    }
}

fn join(path: &[(String, String)]) -> String {
    let parts: Vec<String> = path.iter().map(|(collection, id)| format!("{collection}/{id}")).collect();
    parts.join("/")
}

type Read<T> = Result<T, String>;

/// Collection and id of each step of a path, and fields with their values.
type Parts = (Vec<(String, String)>, Vec<(String, Value)>);

/// How deep maps may nest; Firestore itself allows 20 levels.
const MAX_DEPTH: usize = 100;

// Meanings of properties (entity.proto).
const TIMESTAMP: u64 = 7;
const GEOPOINT: u64 = 9;
const BYTES: [u64; 2] = [14, 16];
const MAP: u64 = 19;
const EMPTY_LIST: u64 = 24;

/// Reads one record.
pub(super) fn document(record: &[u8]) -> Read<Document> {
    let (path, fields) = entity(record, 0)?;
    if path.is_empty() {
        return Err("a document without key".into());
    }
    Ok(Document { path, fields })
}

fn entity(bytes: &[u8], depth: usize) -> Read<Parts> {
    if depth > MAX_DEPTH {
        return Err("maps nested too deep".into());
    }
    let (mut path, mut properties) = (Vec::new(), Properties::default());
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (13, Field::Bytes(key)) => path = reference(key, 14, (1, 2, 3, 4))?,
            (14 | 15, Field::Bytes(property)) => properties.add(property, depth)?,
            _ => {}
        }
    }
    Ok((path, properties.0.into_iter().map(|(name, slot)| (name, slot.into_value())).collect()))
}

/// The path of a key. `element` numbers: (group, type, id, name).
fn reference(bytes: &[u8], path_field: u64, element: (u64, u64, u64, u64)) -> Read<Vec<(String, String)>> {
    let mut path = Vec::new();
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        let Field::Bytes(inner) = field else { continue };
        if path_field == element.0 && number == path_field {
            path.push(path_element(inner, element)?);
        } else if number == path_field {
            let mut elements = Fields::new(inner);
            while let Some((number, field)) = elements.next()? {
                if let (true, Field::Bytes(inner)) = (number == element.0, field) {
                    path.push(path_element(inner, element)?);
                }
            }
        }
    }
    Ok(path)
}

fn path_element(bytes: &[u8], (_, kind, id, name): (u64, u64, u64, u64)) -> Read<(String, String)> {
    let (mut collection, mut own) = (String::new(), None);
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match field {
            Field::Bytes(text) if number == kind => collection = utf8(text)?,
            Field::Bytes(text) if number == name => own = Some(utf8(text)?),
            // Firestore writes numeric ids, which only Datastore makes, as `__id7__`.
            Field::Varint(n) if number == id => own = Some(format!("__id{}__", n as i64)),
            _ => {}
        }
    }
    Ok((collection, own.ok_or("a path element without id")?))
}

fn utf8(bytes: &[u8]) -> Read<String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "text that is not UTF-8".into())
}

#[derive(Default)]
struct Properties(Vec<(String, Slot)>);

enum Slot {
    One(Value),
    Many(Vec<Value>),
}

impl Slot {
    fn into_value(self) -> Value {
        match self {
            Self::One(value) => value,
            Self::Many(values) => Value::List(values),
        }
    }
}

impl Properties {
    fn add(&mut self, bytes: &[u8], depth: usize) -> Read<()> {
        let (mut meaning, mut name, mut multiple, mut raw) = (0, String::new(), false, None);
        let mut fields = Fields::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Varint(n)) => meaning = n,
                (3, Field::Bytes(text)) => name = utf8(text)?,
                (4, Field::Varint(n)) => multiple = n != 0,
                (5, Field::Bytes(value)) => raw = Some(value),
                _ => {}
            }
        }
        let value = value(raw.unwrap_or_default(), meaning, depth)?;
        let at = self.0.iter().position(|(n, _)| *n == name);
        match (at, multiple) {
            _ if meaning == EMPTY_LIST => self.0.push((name, Slot::Many(Vec::new()))),
            (Some(at), true) => match &mut self.0[at].1 {
                Slot::Many(values) => values.push(value),
                Slot::One(_) => return Err(format!("field '{name}' is both a value and an array")),
            },
            (Some(_), false) => return Err(format!("field '{name}' stands twice")),
            (None, true) => self.0.push((name, Slot::Many(vec![value]))),
            (None, false) => self.0.push((name, Slot::One(value))),
        }
        Ok(())
    }
}

fn value(bytes: &[u8], meaning: u64, depth: usize) -> Read<Value> {
    let mut fields = Fields::new(bytes);
    let Some((number, field)) = fields.next()? else { return Ok(Value::Null) };
    Ok(match (number, field) {
        (1, Field::Varint(n)) if meaning == TIMESTAMP => Value::Timestamp(i128::from(n as i64) * 1_000),
        (1, Field::Varint(n)) => Value::Int(n as i64),
        (2, Field::Varint(n)) => Value::Bool(n != 0),
        (3, Field::Bytes(b)) if meaning == MAP => Value::map(entity(b, depth + 1)?.1),
        (3, Field::Bytes(b)) if BYTES.contains(&meaning) => Value::Bytes(b.to_vec()),
        (3, Field::Bytes(b)) => Value::Text(utf8(b)?),
        (4, Field::Fixed64(bits)) => Value::Float(f64::from_bits(bits)),
        (5, Field::Bytes(point)) if meaning == GEOPOINT || meaning == 0 => geopoint(point)?,
        (12, Field::Bytes(key)) => Value::Ref(join(&reference(key, 14, (14, 15, 16, 17))?)),
        (other, _) => return Err(format!("a value of unknown kind {other}")),
    })
}

fn geopoint(bytes: &[u8]) -> Read<Value> {
    let (mut latitude, mut longitude) = (0.0, 0.0);
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (6, Field::Fixed64(bits)) => latitude = f64::from_bits(bits),
            (7, Field::Fixed64(bits)) => longitude = f64::from_bits(bits),
            _ => {}
        }
    }
    Ok(Value::Geo(latitude, longitude))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited field of fewer than 128 bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    /// An element of a path, as a group.
    fn element(kind: &[u8], id: &[u8]) -> Vec<u8> {
        [&[1 << 3 | 3][..], &field(2, kind), id, &[1 << 3 | 4]].concat()
    }

    fn record(elements: &[Vec<u8>], properties: &[Vec<u8>]) -> Vec<u8> {
        let key = field(13, &field(14, &elements.concat()));
        [key, properties.iter().flat_map(|p| field(14, p)).collect()].concat()
    }

    #[test]
    fn numeric_ids_are_written_as_firestore_writes_them() {
        let elements = [element(b"reviews", &[3 << 3, 7]), element(b"marks", &field(4, b"m1"))];
        let document = document(&record(&elements, &[])).unwrap();
        assert_eq!(document.full_path(), "reviews/__id7__/marks/m1");
        assert_eq!(document.table(), "reviews/marks");
        let nameless = record(&[element(b"reviews", &[])], &[]);
        assert_eq!(super::document(&nameless).unwrap_err(), "a path element without id");
    }

    #[test]
    fn arrays_in_maps_in_arrays_keep_their_places() {
        let integer = |n: u8| field(5, &[1 << 3, n]);
        let many = [4 << 3, 1];
        let item = |name: &[u8], value: Vec<u8>| [field(3, name), many.to_vec(), value].concat();
        let inner = [field(14, &item(b"xs", integer(1))), field(14, &item(b"xs", integer(2)))].concat();
        let map = [vec![1 << 3, MAP as u8], item(b"maps", field(5, &field(3, &inner)))].concat();
        let empty = [vec![1 << 3, EMPTY_LIST as u8], field(3, b"none"), field(5, &[])].concat();
        let record = record(&[element(b"c", &field(4, b"d"))], &[map.clone(), empty, map]);
        let xs = || Value::map(vec![("xs".into(), Value::List(vec![Value::Int(1), Value::Int(2)]))]);
        let fields = document(&record).unwrap().fields;
        assert_eq!(fields[0], ("maps".into(), Value::List(vec![xs(), xs()])));
        assert_eq!(fields[1], ("none".into(), Value::List(vec![])));
    }

    #[test]
    fn a_field_that_stands_twice_is_an_error_and_no_guess() {
        let one = [field(3, b"x"), field(5, &[1 << 3, 1])].concat();
        let twice = record(&[element(b"c", &field(4, b"d"))], &[one.clone(), one]);
        assert_eq!(document(&twice).unwrap_err(), "field 'x' stands twice");
    }
}
