//! Canonical columns into polars and back, without bending a value: what polars can't hold exactly is an error.
//!
//! | canonical | in polars |
//! | --- | --- |
//! | text, reference, json | String |
//! | integer, unsigned | Int64; beyond its range Decimal(20, 0), because polars meets UInt64 and Int64 in a float |
//! | decimal | Decimal, up to 38 digits |
//! | float, boolean, bytes, date, time | the same |
//! | timestamp | Datetime in UTC, in microseconds, or nanoseconds where any value needs them |
//! | timestamp without zone | Datetime without zone, likewise |
//! | variant | the one type of all its values; lists of one type as lists; else an error |
//! | uuid, geopoint | an error |

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, LargeListArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, TimeUnit, UInt64Type};
use counterfoil_model::column::build;
use counterfoil_model::{ColumnBuilder, Type, Value, value_at};

use crate::error::Problem;
use crate::rows::Column;

/// The unit of all timestamps of one query: polars would round the finer of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Micros,
    Nanos,
}

/// The coarsest unit in which all timestamps of the columns (and, if it says so, of the query) are exact.
pub(crate) fn unit_of<'a>(columns: impl IntoIterator<Item = &'a Column>, nanoseconds: bool) -> Unit {
    let fine = |column: &Column| match column.kind {
        Type::Timestamp | Type::LocalTimestamp => {
            column.array.as_primitive::<Decimal128Type>().iter().flatten().any(|nanos| nanos % 1000 != 0)
        }
        _ => false,
    };
    if nanoseconds || columns.into_iter().any(fine) { Unit::Nanos } else { Unit::Micros }
}

/// A column as polars takes it.
pub(crate) fn to_arrow(name: &str, column: &Column, unit: Unit) -> Result<ArrayRef, Problem> {
    let array = &column.array;
    match column.kind {
        Type::UInt => Ok(signed(array)),
        Type::Decimal { precision, .. } if precision > 38 => Err(Problem::new(format!(
            "field '{name}' has decimals of {precision} digits, and SQL expressions take 38 at most"
        ))
        .with_help("map it by its bare name, which keeps every digit")),
        Type::Decimal { scale, .. } if scale < 0 => Err(Problem::new(format!(
            "field '{name}' has decimals of negative scale, which SQL expressions can't take"
        ))),
        Type::Timestamp => timestamps(name, array, unit, Some("UTC")),
        Type::LocalTimestamp => timestamps(name, array, unit, None),
        Type::Uuid | Type::Geo => Err(Problem::new(format!(
            "field '{name}' is a {}, which SQL expressions can't take",
            column.kind
        ))
        .with_help(match column.kind {
            Type::Uuid => "map it by its bare name; `as: uuid` reads both sides as UUIDs",
            _ => "map it by its bare name, or take '.latitude' and '.longitude'",
        })),
        Type::Variant => variants(name, column, unit),
        _ => Ok(array.clone()),
    }
}

fn signed(array: &ArrayRef) -> ArrayRef {
    let numbers = array.as_primitive::<UInt64Type>();
    if numbers.iter().flatten().all(|n| i64::try_from(n).is_ok()) {
        Arc::new(numbers.iter().map(|n| n.and_then(|n| i64::try_from(n).ok())).collect::<Int64Array>())
    } else {
        let wide = numbers.iter().map(|n| n.map(i128::from)).collect::<Decimal128Array>();
        Arc::new(wide.with_data_type(DataType::Decimal128(20, 0)))
    }
}

fn timestamps(name: &str, array: &ArrayRef, unit: Unit, zone: Option<&str>) -> Result<ArrayRef, Problem> {
    let factor = if unit == Unit::Micros { 1000 } else { 1 };
    let scaled: Vec<Option<i64>> = array
        .as_primitive::<Decimal128Type>()
        .iter()
        .map(|nanos| match nanos {
            None => Ok(None),
            Some(n) if n % factor == 0 => i64::try_from(n / factor).map(Some).map_err(|_| n),
            Some(n) => Err(n),
        })
        .collect::<Result<_, i128>>()
        .map_err(|nanos| {
            let shown = Value::Timestamp(nanos);
            Problem::new(format!(
                "field '{name}' holds {shown}, which SQL expressions can't hold to the nanosecond"
            ))
            .with_help("map it by its bare name, which keeps every instant from year 1 to 9999")
        })?;
    Ok(match (unit, zone) {
        (Unit::Micros, Some(zone)) => Arc::new(TimestampMicrosecondArray::from(scaled).with_timezone(zone)),
        (Unit::Micros, None) => Arc::new(TimestampMicrosecondArray::from(scaled)),
        (Unit::Nanos, Some(zone)) => Arc::new(TimestampNanosecondArray::from(scaled).with_timezone(zone)),
        (Unit::Nanos, None) => Arc::new(TimestampNanosecondArray::from(scaled)),
    })
}

fn variants(name: &str, column: &Column, unit: Unit) -> Result<ArrayRef, Problem> {
    let values = column.values();
    if let Some(narrow) = narrowed(&values) {
        return to_arrow(name, &narrow, unit);
    }
    if values.iter().all(|v| matches!(v, Value::Null | Value::List(_))) {
        return lists(name, &values, unit);
    }
    let mut types: Vec<&str> = values.iter().filter(|v| !v.is_null()).map(Value::type_name).collect();
    types.sort_unstable();
    types.dedup();
    if types == ["map"] {
        return Err(Problem::new(format!("field '{name}' holds maps, which SQL expressions can't take"))
            .with_help(format!("name a path inside, such as '{name}.{}'", example_key(&values))));
    }
    Err(Problem::new(format!(
        "field '{name}' holds values of several types ({}), which SQL expressions can't take",
        types.join(", ")
    ))
    .with_help("map it by its bare name or, where it holds maps, name a path inside"))
}

fn example_key(values: &[Value]) -> String {
    let first = values.iter().find_map(|v| if let Value::Map(entries) = v { entries.first() } else { None });
    first.map_or_else(|| "key".into(), |(key, _)| key.clone())
}

/// The values in one plain type, if there is one; whole numbers among floats count as floats where exact.
fn narrowed(values: &[Value]) -> Option<Column> {
    let mut builder = ColumnBuilder::new();
    let floats = values.iter().any(|v| matches!(v, Value::Float(_)));
    for value in values {
        builder.push(match value {
            Value::Int(i) if floats && (*i as f64) as i128 == i128::from(*i) => Value::Float(*i as f64),
            Value::UInt(u) => i64::try_from(*u).map_or_else(|_| value.clone(), Value::Int),
            Value::Json(s) | Value::Ref(s) => Value::Text(s.clone()),
            other => other.clone(),
        });
    }
    let (field, array) = builder.finish("");
    let kind = Type::of(&field)?;
    (kind != Type::Variant).then_some(Column { kind, array })
}

fn lists(name: &str, values: &[Value], unit: Unit) -> Result<ArrayRef, Problem> {
    let length = |v: &Value| if let Value::List(items) = v { items.len() } else { 0 };
    let flat: Vec<Value> = values
        .iter()
        .flat_map(|v| if let Value::List(items) = v { items.as_slice() } else { &[] })
        .cloned()
        .collect();
    let mixed = || {
        Problem::new(format!(
            "field '{name}' holds lists of maps or of mixed types, which SQL expressions can't take"
        ))
        .with_help("'explode' makes rows of the elements")
    };
    let inner = narrowed(&flat).ok_or_else(mixed)?;
    let inner =
        if inner.kind == Type::Null { build(Type::Text, &flat) } else { to_arrow(name, &inner, unit)? };
    let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let nulls = NullBuffer::from_iter(values.iter().map(|v| !v.is_null()));
    let offsets = OffsetBuffer::from_lengths(values.iter().map(length));
    Ok(Arc::new(LargeListArray::try_new(field, offsets, inner, Some(nulls))?))
}

/// A column as polars gave it, in its canonical type.
pub(crate) fn from_arrow(array: &ArrayRef) -> Result<Column, Problem> {
    let plain = |kind: Type| Ok(Column { kind, array: array.clone() });
    let cast = |kind: Type| Ok(Column { kind, array: compute::cast(array, &kind.data_type())? });
    match array.data_type() {
        DataType::Null => plain(Type::Null),
        DataType::Boolean => plain(Type::Bool),
        DataType::Int64 => plain(Type::Int),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => cast(Type::Int),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => cast(Type::Int),
        DataType::UInt64 => Ok(unsigned(array)),
        DataType::Float32 => plain(Type::Float32),
        DataType::Float64 => plain(Type::Float),
        DataType::Utf8View => plain(Type::Text),
        DataType::BinaryView => plain(Type::Bytes),
        DataType::Date32 => plain(Type::Date),
        DataType::Time64(TimeUnit::Nanosecond) => plain(Type::Time),
        DataType::Decimal128(precision, scale) => {
            plain(Type::Decimal { precision: *precision, scale: *scale })
        }
        DataType::Timestamp(unit, zone) => instants(array, *unit, zone.is_some()),
        DataType::LargeList(_) | DataType::Struct(_) => nested(array),
        other => Err(Problem::new(format!(
            "the expression gives values of type {other}, which no column can hold"
        ))
        .with_help("CAST it to text or a number")),
    }
}

fn unsigned(array: &ArrayRef) -> Column {
    let numbers = array.as_primitive::<UInt64Type>();
    if numbers.iter().flatten().all(|n| i64::try_from(n).is_ok()) {
        Column { kind: Type::Int, array: signed(array) }
    } else {
        Column { kind: Type::UInt, array: array.clone() }
    }
}

fn instants(array: &ArrayRef, unit: TimeUnit, zoned: bool) -> Result<Column, Problem> {
    let factor: i128 = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let kind = if zoned { Type::Timestamp } else { Type::LocalTimestamp };
    let ticks = compute::cast(array, &DataType::Int64)?;
    let nanos = ticks.as_primitive::<Int64Type>().iter().map(|t| t.map(|t| i128::from(t) * factor));
    let nanos = nanos.collect::<Decimal128Array>().with_data_type(kind.data_type());
    Ok(Column { kind, array: Arc::new(nanos) })
}

fn nested(array: &ArrayRef) -> Result<Column, Problem> {
    let values = nested_values(array)?;
    Ok(Column { kind: Type::Variant, array: build(Type::Variant, &values) })
}

fn nested_values(array: &ArrayRef) -> Result<Vec<Value>, Problem> {
    let present = |row: usize, value: Value| if array.is_null(row) { Value::Null } else { value };
    match array.data_type() {
        DataType::LargeList(_) => {
            let lists = array.as_list::<i64>();
            let items = nested_values(lists.values())?;
            let range =
                |row: usize| lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
            Ok((0..array.len()).map(|row| present(row, Value::List(items[range(row)].to_vec()))).collect())
        }
        DataType::Struct(fields) => {
            let columns: Vec<Vec<Value>> =
                array.as_struct().columns().iter().map(nested_values).collect::<Result<_, _>>()?;
            let entry = |row: usize| {
                fields
                    .iter()
                    .zip(&columns)
                    .map(|(field, values)| (field.name().clone(), values[row].clone()))
                    .collect()
            };
            Ok((0..array.len()).map(|row| present(row, Value::map(entry(row)))).collect())
        }
        _ => {
            let column = from_arrow(array)?;
            Ok((0..array.len()).map(|row| value_at(column.array.as_ref(), column.kind, row)).collect())
        }
    }
}
