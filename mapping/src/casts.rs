//! Casts that polars carries out loosely: it drops the offset of `2024-01-01T00:00:00+02:00`, makes null of
//! `DATE '2024-02-30'`, cuts fractions off floats and rounds those of decimals, and lets sums wrap around.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type};
use counterfoil_model::time::{self, IsoTime};
use counterfoil_model::{Type, Value};
use polars::prelude::{
    DataType, NamedFrom, PolarsError, PolarsResult, Series, StringChunked, TimeUnit, TimeZone,
};

use crate::bridge;

/// A cast of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// `TIMESTAMP WITH TIME ZONE`.
    Instant,
    /// `TIMESTAMP`.
    Local,
    Date,
    Time,
    /// The operand of a cast to an integer: no fraction may be lost.
    Whole,
    /// The operand of a sum: integers as decimals, whose sums don't overflow.
    Summand,
}

/// Casts a column. Text that can't be read is an error, or null where the cast is a TRY_CAST.
pub(crate) fn cast(cast: Cast, lenient: bool, series: &Series) -> PolarsResult<Series> {
    let data_type = match cast {
        Cast::Instant => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        Cast::Local => DataType::Datetime(TimeUnit::Microseconds, None),
        Cast::Date => DataType::Date,
        Cast::Time => DataType::Time,
        Cast::Whole => return whole(series, lenient),
        Cast::Summand if series.dtype().is_integer() => return series.strict_cast(&DataType::Decimal(38, 0)),
        Cast::Summand => return Ok(series.clone()),
    };
    match series.dtype() {
        DataType::String => texts(cast, lenient, series.str()?, &data_type),
        DataType::Datetime(_, zone) if matches!(cast, Cast::Instant | Cast::Local) => {
            zones(cast, zone.is_some(), series)
        }
        _ if lenient => series.cast(&data_type),
        _ => series.strict_cast(&data_type),
    }
}

/// A time that already has its type stays as it is; the other kind needs a zone that SQL doesn't name.
fn zones(cast: Cast, zoned: bool, series: &Series) -> PolarsResult<Series> {
    if zoned == (cast == Cast::Instant) {
        return Ok(series.clone());
    }
    let utc = zoned.then_some(TimeZone::UTC).xor(Some(TimeZone::UTC));
    let unit = match series.dtype() {
        DataType::Datetime(unit, _) => *unit,
        _ => TimeUnit::Microseconds,
    };
    // The session's zone is UTC, as everywhere in counterfoil.
    series.cast(&DataType::Int64)?.cast(&DataType::Datetime(unit, utc))
}

fn texts(cast: Cast, lenient: bool, texts: &StringChunked, data_type: &DataType) -> PolarsResult<Series> {
    let cells = texts.iter().map(|text| match text.map(|text| (text, number(cast, text.trim()))) {
        None => Ok(None),
        Some((_, Ok(number))) => Ok(Some(number)),
        Some(_) if lenient => Ok(None),
        Some((text, Err(why))) => Err(PolarsError::ComputeError(format!("'{text}' {why}").into())),
    });
    let numbers = cells.collect::<PolarsResult<Vec<Option<i64>>>>()?;
    let series = Series::new(texts.name().clone(), numbers);
    match data_type {
        DataType::Date => series.strict_cast(&DataType::Int32)?.cast(data_type),
        _ => series.cast(data_type),
    }
}

/// The number that polars holds for a text.
fn number(cast: Cast, text: &str) -> Result<i64, &'static str> {
    let unread = match cast {
        Cast::Date => "is not a date such as 2024-12-31",
        Cast::Time => "is not a time of day such as 23:59:59",
        _ => "is not a time such as 2024-12-31T23:59:59Z",
    };
    if cast == Cast::Time {
        return time::parse_time(text).ok_or(unread);
    }
    let nanos = match (time::parse_iso(text).ok_or(unread)?, cast) {
        (IsoTime::Instant { nanos, .. }, Cast::Instant) => nanos,
        (IsoTime::Local(nanos), Cast::Local) => nanos,
        (IsoTime::Local(nanos), Cast::Date) if nanos % (86_400 * time::NANOS) == 0 => {
            return i64::try_from(nanos / (86_400 * time::NANOS)).map_err(|_| unread);
        }
        (_, Cast::Date) => return Err(unread),
        (_, Cast::Local) => return Err("has a zone: CAST it AS TIMESTAMP WITH TIME ZONE"),
        _ => return Err("has no zone: CAST it AS TIMESTAMP, or map it bare with `as: timestamp`"),
    };
    if nanos % 1000 != 0 {
        return Err("has nanoseconds, which CAST can't keep: map it bare with `as: timestamp`");
    }
    i64::try_from(nanos / 1000).map_err(|_| unread)
}

/// Fractions are not cut off or rounded in silence.
fn whole(series: &Series, lenient: bool) -> PolarsResult<Series> {
    if lenient || !(series.dtype().is_float() || series.dtype().is_decimal()) {
        return Ok(series.clone());
    }
    let array = bridge::from_polars(series).map_err(|p| PolarsError::ComputeError(p.message.into()))?;
    let fraction = match Type::of(&arrow::datatypes::Field::new("", array.data_type().clone(), true)) {
        Some(Type::Float) => {
            array.as_primitive::<Float64Type>().iter().flatten().find(|x| x.fract().abs() > 0.0)
        }
        Some(Type::Float32) => {
            let mut floats = array.as_primitive::<Float32Type>().iter().flatten().map(f64::from);
            floats.find(|x| x.fract().abs() > 0.0)
        }
        Some(kind @ Type::Decimal { scale, .. }) => {
            let unit = 10_i128.pow(u32::from(scale.unsigned_abs()));
            let cells = array.as_primitive::<Decimal128Type>();
            let at = (0..series.len()).find(|row| cells.is_valid(*row) && cells.value(*row) % unit != 0);
            at.map(|row| match counterfoil_model::value_at(array.as_ref(), kind, row) {
                Value::Decimal(d) => d.to_f64(),
                _ => f64::NAN,
            })
        }
        _ => None,
    };
    match fraction {
        None => Ok(series.clone()),
        Some(x) => {
            let message = format!("{x} is not a whole number: FLOOR, CEIL or ROUND it before the CAST");
            Err(PolarsError::ComputeError(message.into()))
        }
    }
}
