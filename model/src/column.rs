//! Values into columns and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BinaryViewBuilder, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, FixedSizeBinaryBuilder, Float32Array, Float64Array, Int64Array, NullArray,
    StringViewBuilder, StructArray, Time64NanosecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type, Int64Type,
    Time64NanosecondType, UInt64Type, i256,
};

use crate::decimal::Decimal;
use crate::encoding;
use crate::types::{Type, geo_fields};
use crate::value::Value;

impl Value {
    /// The narrowest column type that holds this value alone; lists and maps are variants.
    pub fn column_type(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::UInt(_) => Type::UInt,
            Self::Decimal(d) => {
                let scale = d.scale().clamp(0, 76);
                let digits = d.digits() as i32 + (scale - d.scale());
                if digits.max(scale) > 76 || d.scale() > 76 {
                    return Type::Variant;
                }
                Type::Decimal { precision: digits.max(scale).max(1) as u8, scale: scale as i8 }
            }
            Self::Float32(_) => Type::Float32,
            Self::Float(_) => Type::Float,
            Self::Text(_) => Type::Text,
            Self::Bytes(_) => Type::Bytes,
            Self::Timestamp(_) => Type::Timestamp,
            Self::LocalTimestamp(_) => Type::LocalTimestamp,
            Self::Date(_) => Type::Date,
            Self::Time(_) => Type::Time,
            Self::Uuid(_) => Type::Uuid,
            Self::Json(_) => Type::Json,
            Self::Geo(..) => Type::Geo,
            Self::Ref(_) => Type::Ref,
            Self::List(_) | Self::Map(_) => Type::Variant,
        }
    }
}

/// The one type that holds values of both types without bending any; `Variant` where there is none.
pub fn unify(a: Type, b: Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a,
        (Type::Null, other) | (other, Type::Null) => other,
        (Type::Decimal { precision: p1, scale: s1 }, Type::Decimal { precision: p2, scale: s2 }) => {
            let scale = s1.max(s2);
            let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
            match u8::try_from(whole + i16::from(scale)) {
                Ok(precision) if precision <= 76 => Type::Decimal { precision, scale },
                _ => Type::Variant,
            }
        }
        _ => Type::Variant,
    }
}

/// Collects values, finds the type that holds them all, and builds the Arrow column.
#[derive(Debug, Default)]
pub struct ColumnBuilder {
    values: Vec<Value>,
    seen: Option<Type>,
}

impl ColumnBuilder {
    /// An empty column.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a value of any type.
    pub fn push(&mut self, value: Value) {
        let kind = value.column_type();
        self.seen = Some(self.seen.map_or(kind, |seen| unify(seen, kind)));
        self.values.push(value);
    }

    /// How many values were pushed.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The type that holds all values so far.
    pub fn column_type(&self) -> Type {
        self.seen.unwrap_or(Type::Null)
    }

    /// The column in the narrowest type that holds all its values.
    pub fn finish(self, name: &str) -> (Field, ArrayRef) {
        let kind = self.column_type();
        (kind.field(name), build(kind, &self.values))
    }
}

/// Builds an Arrow column of a type from values. A value that the type can't hold makes it null, so callers
/// choose the type by [`unify`] (or check each value with [`fits`]); `Variant` holds everything.
pub fn build(kind: Type, values: &[Value]) -> ArrayRef {
    macro_rules! primitive {
        ($array:ty, $variant:ident) => {
            Arc::new(
                values
                    .iter()
                    .map(|v| if let Value::$variant(x) = v { Some(*x) } else { None })
                    .collect::<$array>(),
            )
        };
    }
    match kind {
        Type::Null => Arc::new(NullArray::new(values.len())),
        Type::Bool => primitive!(BooleanArray, Bool),
        Type::Int => primitive!(Int64Array, Int),
        Type::UInt => primitive!(UInt64Array, UInt),
        Type::Float32 => primitive!(Float32Array, Float32),
        Type::Float => primitive!(Float64Array, Float),
        Type::Date => primitive!(Date32Array, Date),
        Type::Time => primitive!(Time64NanosecondArray, Time),
        Type::Timestamp => {
            seconds(values.iter().map(|v| if let Value::Timestamp(n) = v { Some(*n) } else { None }))
        }
        Type::LocalTimestamp => {
            seconds(values.iter().map(|v| if let Value::LocalTimestamp(n) = v { Some(*n) } else { None }))
        }
        Type::Decimal { precision, scale } => decimals(values, precision, scale),
        Type::Text | Type::Json | Type::Ref => {
            let mut builder = StringViewBuilder::with_capacity(values.len()).with_fixed_block_size(1 << 20);
            for value in values {
                match value {
                    Value::Text(s) | Value::Json(s) | Value::Ref(s) => builder.append_value(s),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Type::Bytes => {
            let mut builder = BinaryViewBuilder::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Bytes(b) => builder.append_value(b),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Type::Uuid => uuids(values),
        Type::Geo => geopoints(values),
        Type::Variant => variants(values),
    }
}

/// Whether a column of this type holds the value without bending it.
pub fn fits(kind: Type, value: &Value) -> bool {
    value.is_null() || unify(kind, value.column_type()) == kind
}

fn seconds(nanos: impl Iterator<Item = Option<i128>>) -> ArrayRef {
    let array: Decimal128Array = nanos.collect();
    Arc::new(array.with_data_type(Type::Timestamp.data_type()))
}

fn decimals(values: &[Value], precision: u8, scale: i8) -> ArrayRef {
    let unscaled = values.iter().map(|v| match v {
        Value::Decimal(d) => d.at_scale(i32::from(scale)),
        _ => None,
    });
    let data_type = Type::Decimal { precision, scale }.data_type();
    if precision <= 38 {
        Arc::new(
            unscaled
                .map(|u| u.and_then(i256::to_i128))
                .collect::<Decimal128Array>()
                .with_data_type(data_type),
        )
    } else {
        Arc::new(unscaled.collect::<Decimal256Array>().with_data_type(data_type))
    }
}

fn uuids(values: &[Value]) -> ArrayRef {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(values.len(), 16);
    for value in values {
        match value {
            // Sixteen bytes always fit a column of sixteen bytes.
            Value::Uuid(u) if builder.append_value(u).is_ok() => {}
            _ => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn geopoints(values: &[Value]) -> ArrayRef {
    let part = |pick: fn(&(f64, f64)) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            values.iter().map(|v| if let Value::Geo(a, b) = v { pick(&(*a, *b)) } else { 0.0 }),
        ))
    };
    let nulls = NullBuffer::from_iter(values.iter().map(|v| matches!(v, Value::Geo(..))));
    Arc::new(StructArray::new(geo_fields(), vec![part(|g| g.0), part(|g| g.1)], Some(nulls)))
}

fn variants(values: &[Value]) -> ArrayRef {
    let mut builder = BinaryViewBuilder::with_capacity(values.len());
    let mut buffer = Vec::new();
    for value in values {
        if value.is_null() {
            builder.append_null();
        } else {
            buffer.clear();
            encoding::encode(value, &mut buffer);
            builder.append_value(&buffer);
        }
    }
    let array: BinaryViewArray = builder.finish();
    Arc::new(array)
}

/// Whether a cell is null. Arrow's own `is_null` says no of every cell of a column whose type is null.
pub fn is_null_at(array: &dyn Array, row: usize) -> bool {
    array.data_type().is_null() || array.is_null(row)
}

/// Whether any cell is null; see [`is_null_at`].
pub fn has_nulls(array: &dyn Array) -> bool {
    array.logical_null_count() > 0
}

/// One cell of a canonical column. A variant cell that can't be decoded comes back as its raw bytes.
pub fn value_at(array: &dyn Array, kind: Type, row: usize) -> Value {
    if array.is_null(row) || kind == Type::Null {
        return Value::Null;
    }
    match kind {
        Type::Null => Value::Null,
        Type::Bool => Value::Bool(array.as_boolean().value(row)),
        Type::Int => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        Type::UInt => Value::UInt(array.as_primitive::<UInt64Type>().value(row)),
        Type::Decimal { precision, scale } => {
            let unscaled = if precision <= 38 {
                i256::from_i128(array.as_primitive::<Decimal128Type>().value(row))
            } else {
                array.as_primitive::<Decimal256Type>().value(row)
            };
            Value::Decimal(Decimal::new(unscaled, i32::from(scale)))
        }
        Type::Float32 => Value::Float32(array.as_primitive::<Float32Type>().value(row)),
        Type::Float => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        Type::Text => Value::Text(array.as_string_view().value(row).to_owned()),
        Type::Json => Value::Json(array.as_string_view().value(row).to_owned()),
        Type::Ref => Value::Ref(array.as_string_view().value(row).to_owned()),
        Type::Bytes => Value::Bytes(array.as_binary_view().value(row).to_vec()),
        Type::Timestamp => Value::Timestamp(array.as_primitive::<Decimal128Type>().value(row)),
        Type::LocalTimestamp => Value::LocalTimestamp(array.as_primitive::<Decimal128Type>().value(row)),
        Type::Date => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        Type::Time => Value::Time(array.as_primitive::<Time64NanosecondType>().value(row)),
        Type::Uuid => {
            let mut uuid = [0; 16];
            uuid.copy_from_slice(array.as_fixed_size_binary().value(row));
            Value::Uuid(uuid)
        }
        Type::Geo => {
            let parts = array.as_struct();
            let part = |i: usize| parts.column(i).as_primitive::<Float64Type>().value(row);
            Value::Geo(part(0), part(1))
        }
        Type::Variant => {
            let bytes = array.as_binary_view().value(row);
            encoding::decode(bytes).unwrap_or_else(|_| Value::Bytes(bytes.to_vec()))
        }
    }
}
