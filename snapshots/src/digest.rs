//! Digests over the injective encoding.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use counterfoil_model::{Type, Value, encoding, value_at};

/// What a column digest begins with, so that it is never another kind of digest.
const COLUMN_DOMAIN: &[u8] = b"counterfoil/column/1\0";
/// What an inner digest of the Merkle tree begins with.
const NODE_DOMAIN: &[u8] = b"counterfoil/node/1\0";

/// BLAKE3 over the encodings of all values of a column chunk, in order, after a domain and the number of rows.
/// It depends on the values alone: not on batch sizes, nor on the width of an integer column.
pub fn column_digest(array: &dyn Array, kind: Type) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(COLUMN_DOMAIN);
    hasher.update(&(array.len() as u64).to_le_bytes());
    let mut buffer = Vec::with_capacity(1 << 16);
    for row in 0..array.len() {
        append(array, kind, row, &mut buffer);
        if buffer.len() >= (1 << 16) - 64 {
            hasher.update(&buffer);
            buffer.clear();
        }
    }
    hasher.update(&buffer);
    *hasher.finalize().as_bytes()
}

/// The encoding of one cell; the commonest types go without a [`Value`] in between.
fn append(array: &dyn Array, kind: Type, row: usize, buffer: &mut Vec<u8>) {
    if array.is_null(row) {
        return encoding::encode(&Value::Null, buffer);
    }
    match kind {
        Type::Text => encoding::encode_text(array.as_string_view().value(row), buffer),
        Type::Variant => buffer.extend_from_slice(array.as_binary_view().value(row)),
        Type::Int => encoding::encode(&Value::Int(array.as_primitive::<Int64Type>().value(row)), buffer),
        Type::Float => {
            encoding::encode(&Value::Float(array.as_primitive::<Float64Type>().value(row)), buffer)
        }
        _ => encoding::encode(&value_at(array, kind, row), buffer),
    }
}

/// The root over named digests in the given order: BLAKE3 over a domain, the count, and each name
/// (length-prefixed) with its digest.
pub fn merkle_root<'a>(children: impl IntoIterator<Item = (&'a str, [u8; 32])>) -> [u8; 32] {
    let children: Vec<_> = children.into_iter().collect();
    let mut hasher = blake3::Hasher::new();
    hasher.update(NODE_DOMAIN);
    hasher.update(&(children.len() as u64).to_le_bytes());
    for (name, digest) in children {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&digest);
    }
    *hasher.finalize().as_bytes()
}
