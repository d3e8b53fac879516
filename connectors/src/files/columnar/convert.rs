//! Native types into canonical ones, without loss.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray, RecordBatch};
use arrow::compute::cast_with_options;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::FormatOptions;
use counterfoil_model::column::build;
use counterfoil_model::{Type, Value, value_at};

use super::super::corrupt;
use crate::ConnectorError;

/// The canonical form of a file's schema. It follows from the types alone.
pub(super) fn canonical_schema(path: &Path, schema: &SchemaRef) -> Result<SchemaRef, ConnectorError> {
    Ok(canonical(path, &RecordBatch::new_empty(schema.clone()))?.schema())
}

/// A batch in canonical form.
pub(super) fn canonical(path: &Path, batch: &RecordBatch) -> Result<RecordBatch, ConnectorError> {
    let schema = batch.schema();
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let (kind, array) = column_of(field, column).map_err(|problem| {
            corrupt(path, format!("column '{}': {problem}", field.name()))
                .help("leave the column out of the file, or cast it")
        })?;
        fields.push(kind.field(field.name()));
        columns.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| corrupt(path, e))
}

fn column_of(field: &Field, column: &ArrayRef) -> Result<(Type, ArrayRef), String> {
    if let Some(kind) = Type::of(field) {
        return Ok((kind, column.clone()));
    }
    let kind = match field.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 => Type::Int,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Type::Int,
        DataType::Float16 => Type::Float32,
        DataType::Utf8 | DataType::LargeUtf8 => Type::Text,
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => Type::Bytes,
        DataType::Date64 => Type::Date,
        DataType::Time32(_) | DataType::Time64(_) => Type::Time,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => Type::Decimal { precision: *p, scale: *s },
        DataType::Dictionary(_, value) => {
            let plain = cast(column, value)?;
            return column_of(&Field::new(field.name(), value.as_ref().clone(), true), &plain);
        }
        DataType::Timestamp(_, zone) => {
            let kind = if zone.is_some() { Type::Timestamp } else { Type::LocalTimestamp };
            return Ok((kind, instants(column, kind)?));
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => {
            let nested = Nested::of(field, column)?;
            let values = (0..column.len()).map(|row| nested.value(row)).collect::<Result<Vec<_>, _>>()?;
            return Ok((Type::Variant, build(Type::Variant, &values)));
        }
        other => return Err(format!("type {other} has no canonical form")),
    };
    Ok((kind, cast(column, &kind.data_type())?))
}

/// Casts that lose nothing; one that would is an error, not a null.
fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    let options = arrow::compute::CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(column, to, &options).map_err(|e| e.to_string())
}

/// Times of any unit as exact seconds.
fn instants(column: &ArrayRef, kind: Type) -> Result<ArrayRef, String> {
    let DataType::Timestamp(unit, _) = column.data_type() else { return Err("not a timestamp".into()) };
    let nanos = match unit {
        TimeUnit::Second => scaled::<TimestampSecondType>(column, 1_000_000_000),
        TimeUnit::Millisecond => scaled::<TimestampMillisecondType>(column, 1_000_000),
        TimeUnit::Microsecond => scaled::<TimestampMicrosecondType>(column, 1_000),
        TimeUnit::Nanosecond => scaled::<TimestampNanosecondType>(column, 1),
    };
    Ok(Arc::new(nanos.with_data_type(kind.data_type())))
}

fn scaled<T: ArrowPrimitiveType<Native = i64>>(column: &ArrayRef, factor: i128) -> Decimal128Array {
    let raw: &PrimitiveArray<T> = column.as_primitive();
    raw.unary::<_, Decimal128Type>(|value| i128::from(value) * factor)
}

/// A column whose leaves are canonical.
struct Nested {
    column: ArrayRef,
    inside: Inside,
}

enum Inside {
    Leaf(Type, ArrayRef),
    /// The items of all lists.
    Items(Box<Nested>),
    Fields(Vec<(String, Nested)>),
    /// The keys and values of all maps.
    Entries(Box<Nested>, Box<Nested>),
}

impl Nested {
    fn of(field: &Field, column: &ArrayRef) -> Result<Self, String> {
        let boxed = |field: &Field, column: &ArrayRef| Self::of(field, column).map(Box::new);
        let inside = match field.data_type() {
            _ if Type::of(field).is_some() => {
                let (kind, leaf) = column_of(field, column)?;
                Inside::Leaf(kind, leaf)
            }
            DataType::List(inner) => Inside::Items(boxed(inner, column.as_list::<i32>().values())?),
            DataType::LargeList(inner) => Inside::Items(boxed(inner, column.as_list::<i64>().values())?),
            DataType::FixedSizeList(inner, _) => {
                Inside::Items(boxed(inner, column.as_fixed_size_list().values())?)
            }
            DataType::Struct(fields) => {
                let part = |(f, c): (&Arc<Field>, &ArrayRef)| Ok((f.name().clone(), Self::of(f, c)?));
                let parts = fields.iter().zip(column.as_struct().columns()).map(part);
                Inside::Fields(parts.collect::<Result<_, String>>()?)
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err("a map of an unknown form".into());
                };
                let [key, value] = fields.as_ref() else { return Err("a map of an unknown form".into()) };
                let map = column.as_map();
                Inside::Entries(boxed(key, map.keys())?, boxed(value, map.values())?)
            }
            _ => {
                let (kind, leaf) = column_of(field, column)?;
                Inside::Leaf(kind, leaf)
            }
        };
        Ok(Self { column: column.clone(), inside })
    }

    /// Which items or entries are those of a row.
    fn range(&self, row: usize) -> Range<usize> {
        match self.column.data_type() {
            DataType::List(_) => {
                let offsets = self.column.as_list::<i32>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            DataType::LargeList(_) => {
                let offsets = self.column.as_list::<i64>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            DataType::FixedSizeList(_, size) => {
                let start = row * *size as usize;
                start..start + *size as usize
            }
            _ => {
                let offsets = self.column.as_map().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
        }
    }

    fn value(&self, row: usize) -> Result<Value, String> {
        if self.column.is_null(row) {
            return Ok(Value::Null);
        }
        match &self.inside {
            Inside::Leaf(kind, leaf) => Ok(value_at(leaf, *kind, row)),
            Inside::Items(items) => {
                self.range(row).map(|i| items.value(i)).collect::<Result<_, _>>().map(Value::List)
            }
            Inside::Fields(fields) => {
                let entry = |(name, field): &(String, Self)| Ok((name.clone(), field.value(row)?));
                fields.iter().map(entry).collect::<Result<_, String>>().map(Value::map)
            }
            Inside::Entries(keys, values) => {
                let entry = |i| match keys.value(i)? {
                    Value::Text(name) => Ok((name, values.value(i)?)),
                    other => Err(format!("a map with a key of type {}", other.type_name())),
                };
                self.range(row).map(entry).collect::<Result<_, String>>().map(Value::map)
            }
        }
    }
}
