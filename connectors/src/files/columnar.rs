//! Parquet and Arrow IPC: native types into canonical ones, without loss.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast_with_options, concat_batches};
use arrow::datatypes::{
    DataType, Field, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::FormatOptions;
use counterfoil_model::column::build;
use counterfoil_model::{Type, Value, value_at};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Read, corrupt, io};
use crate::ConnectorError;

/// Reads Parquet files as one table.
pub(super) fn parquet(parts: &[PathBuf]) -> Result<Read, ConnectorError> {
    let mut batches = Vec::new();
    for path in parts {
        let file = File::open(path).map_err(|e| io(path, &e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| corrupt(path, e))?;
        let schema = builder.schema().clone();
        let reader = builder.build().map_err(|e| corrupt(path, e))?;
        let mut own = vec![RecordBatch::new_empty(schema)];
        for batch in reader {
            own.push(batch.map_err(|e| corrupt(path, e))?);
        }
        batches.push(canonical(path, &own)?);
    }
    joined(parts, &batches)
}

/// Reads Arrow IPC files as one table.
pub(super) fn arrow(parts: &[PathBuf]) -> Result<Read, ConnectorError> {
    let mut batches = Vec::new();
    for path in parts {
        let file = File::open(path).map_err(|e| io(path, &e))?;
        let reader = arrow::ipc::reader::FileReader::try_new(file, None).map_err(|e| corrupt(path, e))?;
        let mut own = vec![RecordBatch::new_empty(reader.schema())];
        for batch in reader {
            own.push(batch.map_err(|e| corrupt(path, e))?);
        }
        batches.push(canonical(path, &own)?);
    }
    joined(parts, &batches)
}

fn joined(parts: &[PathBuf], batches: &[RecordBatch]) -> Result<Read, ConnectorError> {
    let place = parts.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let Some(first) = batches.first() else { return Err(corrupt(place, "there is no file")) };
    for (path, batch) in parts.iter().zip(batches) {
        if batch.schema() != first.schema() {
            return Err(corrupt(path, format!("its columns differ from those of {}", place.display())));
        }
    }
    let batch = concat_batches(&first.schema(), batches).map_err(|e| corrupt(place, e))?;
    Ok(Read { batch, missing: BTreeMap::new() })
}

fn canonical(path: &Path, batches: &[RecordBatch]) -> Result<RecordBatch, ConnectorError> {
    let schema = batches.first().map(RecordBatch::schema).unwrap_or_else(|| Arc::new(Schema::empty()));
    let whole = concat_batches(&schema, batches).map_err(|e| corrupt(path, e))?;
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(whole.columns()) {
        let (kind, array) = column_of(field, column).map_err(|problem| {
            corrupt(path, format!("column '{}': {problem}", field.name()))
                .help("leave the column out of the file, or cast it")
        })?;
        fields.push(kind.field(field.name()));
        columns.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(whole.num_rows()));
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
            let values =
                (0..column.len()).map(|row| instant(column, row, kind)).collect::<Result<Vec<_>, _>>()?;
            return Ok((kind, build(kind, &values)));
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => {
            let values =
                (0..column.len()).map(|row| nested(field, column, row)).collect::<Result<Vec<_>, _>>()?;
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

fn instant(column: &ArrayRef, row: usize, kind: Type) -> Result<Value, String> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let DataType::Timestamp(unit, _) = column.data_type() else { return Err("not a timestamp".into()) };
    let (raw, factor) = match unit {
        TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
        TimeUnit::Millisecond => (column.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
        TimeUnit::Microsecond => (column.as_primitive::<TimestampMicrosecondType>().value(row), 1_000),
        TimeUnit::Nanosecond => (column.as_primitive::<TimestampNanosecondType>().value(row), 1),
    };
    let nanos = i128::from(raw) * factor;
    Ok(if kind == Type::Timestamp { Value::Timestamp(nanos) } else { Value::LocalTimestamp(nanos) })
}

/// A nested cell as a list or a map.
fn nested(field: &Field, column: &ArrayRef, row: usize) -> Result<Value, String> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let items = |inner: &Field, list: ArrayRef| -> Result<Value, String> {
        (0..list.len()).map(|i| nested(inner, &list, i)).collect::<Result<_, _>>().map(Value::List)
    };
    match field.data_type() {
        DataType::List(inner) => items(inner, column.as_list::<i32>().value(row)),
        DataType::LargeList(inner) => items(inner, column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(inner, _) => items(inner, column.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let parts = column.as_struct();
            let entry = |(f, c): (&Arc<Field>, &ArrayRef)| Ok((f.name().clone(), nested(f, c, row)?));
            fields.iter().zip(parts.columns()).map(entry).collect::<Result<_, String>>().map(Value::map)
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err("a map of an unknown form".into());
            };
            let (Some(key), Some(value)) = (fields.first(), fields.get(1)) else {
                return Err("a map of an unknown form".into());
            };
            let cell = column.as_map().value(row);
            let entry = |i| match nested(key, cell.column(0), i)? {
                Value::Text(name) => Ok((name, nested(value, cell.column(1), i)?)),
                other => Err(format!("a map with a key of type {}", other.type_name())),
            };
            (0..cell.len()).map(entry).collect::<Result<_, String>>().map(Value::map)
        }
        _ => {
            let (kind, array) = column_of(field, column)?;
            Ok(value_at(&array, kind, row))
        }
    }
}
