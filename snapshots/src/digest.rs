//! Digests over canonical column buffers, at the speed of BLAKE3 over long inputs. `docs/snapshot.md` has the layout.

use arrow::array::{Array, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type, Time64NanosecondType,
    UInt64Type,
};
use blake3::Hasher;
use counterfoil_model::Type;

// Arrow's buffers are in the machine's byte order, the published layout is little-endian.
const _: () = assert!(cfg!(target_endian = "little"), "digests are taken over little-endian buffers");

/// What a column digest begins with, so that it is never another kind of digest.
const COLUMN_DOMAIN: &[u8] = b"counterfoil/column/2\0";
/// What an inner digest of the Merkle tree begins with.
const NODE_DOMAIN: &[u8] = b"counterfoil/node/1\0";

/// BLAKE3 over a column chunk: domain, type, number of rows, validity, values. It depends on the values alone: not on
/// batch sizes, offsets, what stands in null slots, nor on where the bytes of a text lie.
pub fn column_digest(array: &dyn Array, kind: Type) -> [u8; 32] {
    let mut hasher = Hasher::new();
    hasher.update(COLUMN_DOMAIN);
    let tag = tag(array, kind);
    hasher.update(&[tag.len() as u8]);
    hasher.update(tag.as_bytes());
    hasher.update(&(array.len() as u64).to_le_bytes());
    if kind != Type::Null {
        validity(array.nulls(), &mut hasher);
        values(array, kind, &mut hasher);
    }
    *hasher.finalize().as_bytes()
}

/// What the values are. Two integer columns are the same type unless one holds what the other can't, and the declared
/// digits of a decimal are no part of its values; its scale is, since they are digested unscaled.
fn tag(array: &dyn Array, kind: Type) -> String {
    match kind {
        Type::UInt if fits_signed(array) => Type::Int.to_string(),
        Type::Decimal { precision, scale } => {
            format!("decimal{}({scale})", if precision <= 38 { 128 } else { 256 })
        }
        other => other.to_string(),
    }
}

fn fits_signed(array: &dyn Array) -> bool {
    array.as_primitive::<UInt64Type>().iter().flatten().all(|value| i64::try_from(value).is_ok())
}

/// `00` where nothing is null; else `01` and a bit a row, least significant first, 1 for a value.
fn validity(nulls: Option<&NullBuffer>, hasher: &mut Hasher) {
    match nulls.filter(|n| n.null_count() > 0) {
        None => {
            hasher.update(&[0]);
        }
        Some(nulls) => {
            hasher.update(&[1]);
            hasher.update(&packed(nulls.inner()));
        }
    }
}

/// Bits from the first on, without offset, the last byte filled with zeros.
fn packed(bits: &BooleanBuffer) -> Vec<u8> {
    let mut bytes = vec![0; bits.len().div_ceil(8)];
    bits.set_indices().for_each(|i| bytes[i / 8] |= 1 << (i % 8));
    bytes
}

fn values(array: &dyn Array, kind: Type, hasher: &mut Hasher) {
    match kind {
        Type::Null => {}
        Type::Bool => {
            hasher.update(&packed(&truths(array.as_boolean())));
        }
        Type::Int => fixed::<Int64Type>(array, hasher),
        Type::UInt => fixed::<UInt64Type>(array, hasher),
        Type::Float32 => fixed::<Float32Type>(array, hasher),
        Type::Float => fixed::<Float64Type>(array, hasher),
        Type::Date => fixed::<Date32Type>(array, hasher),
        Type::Time => fixed::<Time64NanosecondType>(array, hasher),
        Type::Timestamp | Type::LocalTimestamp => fixed::<Decimal128Type>(array, hasher),
        Type::Decimal { precision, .. } if precision <= 38 => fixed::<Decimal128Type>(array, hasher),
        Type::Decimal { .. } => fixed::<Decimal256Type>(array, hasher),
        Type::Uuid => {
            let array = array.as_fixed_size_binary();
            let width = array.value_length() as usize;
            nulled(&array.values().as_slice()[..array.len() * width], width, array.nulls(), hasher);
        }
        Type::Text | Type::Json | Type::Ref => {
            let array = array.as_string_view();
            variable(
                array.len(),
                |row| if array.is_null(row) { &[] } else { array.value(row).as_bytes() },
                hasher,
            );
        }
        Type::Bytes | Type::Variant => {
            let array = array.as_binary_view();
            variable(array.len(), |row| if array.is_null(row) { &[] } else { array.value(row) }, hasher);
        }
        Type::Geo => {
            let parts = array.as_struct();
            for part in parts.columns() {
                // A null point's coordinates are nothing, whatever stands in their slots.
                let part = part.as_primitive::<Float64Type>();
                let bytes = part.values().inner().as_slice();
                nulled(&bytes[..part.len() * 8], 8, parts.nulls(), hasher);
            }
        }
    }
}

/// The truths, false where null.
fn truths(array: &BooleanArray) -> BooleanBuffer {
    match array.nulls() {
        Some(nulls) => array.values() & nulls.inner(),
        None => array.values().clone(),
    }
}

fn fixed<T: ArrowPrimitiveType>(array: &dyn Array, hasher: &mut Hasher) {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let width = size_of::<T::Native>();
    let bytes = array.values().inner().as_slice();
    nulled(&bytes[..array.len() * width], width, array.nulls(), hasher);
}

/// Values of one width, zeros where null.
fn nulled(bytes: &[u8], width: usize, nulls: Option<&NullBuffer>, hasher: &mut Hasher) {
    let Some(nulls) = nulls.filter(|n| n.null_count() > 0) else {
        hasher.update(bytes);
        return;
    };
    let mut copy = bytes.to_vec();
    for row in (0..nulls.len()).filter(|row| nulls.is_null(*row)) {
        copy[row * width..(row + 1) * width].fill(0);
    }
    hasher.update(&copy);
}

/// All lengths in bytes (32 bits), then all bytes.
fn variable<'a>(rows: usize, value: impl Fn(usize) -> &'a [u8], hasher: &mut Hasher) {
    let lengths: Vec<u8> = (0..rows).flat_map(|row| (value(row).len() as u32).to_le_bytes()).collect();
    hasher.update(&lengths);
    let mut buffer = Vec::with_capacity(BUFFER);
    for row in 0..rows {
        let bytes = value(row);
        if buffer.len() + bytes.len() > BUFFER {
            hasher.update(&buffer);
            buffer.clear();
        }
        if bytes.len() > BUFFER {
            hasher.update(bytes);
        } else {
            buffer.extend_from_slice(bytes);
        }
    }
    hasher.update(&buffer);
}

/// BLAKE3 is at its fastest from 128 KiB at once.
const BUFFER: usize = 1 << 18;

/// The root over named digests in the given order: BLAKE3 over a domain, the count, and each name
/// (length-prefixed) with its digest.
pub fn merkle_root<'a>(children: impl IntoIterator<Item = (&'a str, [u8; 32])>) -> [u8; 32] {
    let children: Vec<_> = children.into_iter().collect();
    let mut hasher = Hasher::new();
    hasher.update(NODE_DOMAIN);
    hasher.update(&(children.len() as u64).to_le_bytes());
    for (name, digest) in children {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&digest);
    }
    *hasher.finalize().as_bytes()
}
