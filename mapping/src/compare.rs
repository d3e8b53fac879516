//! Comparisons of numbers of different types by their mathematical value: polars would bring both sides to
//! floats, or to decimals of one scale with null for what doesn't fit.

use std::cmp::Ordering;

use counterfoil_model::Value;
use counterfoil_model::decimal::Decimal;
use polars::prelude::{
    BooleanChunked, ChunkCompareEq, ChunkCompareIneq, DataType, IntoSeries, PolarsError, PolarsResult,
    Series, TimeUnit,
};

use crate::bridge;
use crate::error::Problem;
use crate::exchange::from_arrow;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// The truth, row by row; null where a side is null. One row on a side stands for all.
pub(crate) fn compare(comparison: Comparison, left: &Series, right: &Series) -> PolarsResult<Series> {
    let (a, b) = (left.dtype(), right.dtype());
    let number = |t: &DataType| t.is_primitive_numeric() || t.is_decimal();
    if a.is_null() || b.is_null() {
        return Ok(Series::full_null(left.name().clone(), rows(left, right), &DataType::Boolean));
    }
    let short = |t: &DataType| t.is_integer() && *t != DataType::UInt64;
    if number(a) && number(b) && a != b && !(short(a) && short(b)) {
        return numbers(comparison, left, right);
    }
    if let (DataType::Datetime(_, one), DataType::Datetime(_, other)) = (a, b) {
        if one.is_some() != other.is_some() {
            let message = "a time with a zone and one without can't be compared: CAST both to one type";
            return Err(PolarsError::InvalidOperation(message.into()));
        }
        return native(comparison, &fine(left)?, &fine(right)?);
    }
    native(comparison, left, right)
}

fn rows(left: &Series, right: &Series) -> usize {
    if left.len() == 1 { right.len() } else { left.len() }
}

/// Times in nanoseconds, so that none is rounded to the unit of the other.
fn fine(times: &Series) -> PolarsResult<Series> {
    match times.dtype() {
        DataType::Datetime(unit, zone) if *unit != TimeUnit::Microseconds => {
            times.strict_cast(&DataType::Datetime(TimeUnit::Nanoseconds, zone.clone()))
        }
        _ => Ok(times.clone()),
    }
}

fn native(comparison: Comparison, left: &Series, right: &Series) -> PolarsResult<Series> {
    let truth: BooleanChunked = match comparison {
        Comparison::Equal => left.equal(right)?,
        Comparison::NotEqual => left.not_equal(right)?,
        Comparison::Less => left.lt(right)?,
        Comparison::LessOrEqual => left.lt_eq(right)?,
        Comparison::Greater => left.gt(right)?,
        Comparison::GreaterOrEqual => left.gt_eq(right)?,
    };
    Ok(truth.into_series())
}

fn numbers(comparison: Comparison, left: &Series, right: &Series) -> PolarsResult<Series> {
    let cells = |series: &Series| -> Result<Vec<Value>, Problem> {
        Ok(from_arrow(&bridge::from_polars(series)?)?.values())
    };
    let failed = |problem: Problem| PolarsError::ComputeError(problem.message.into());
    let (l, r) = (cells(left).map_err(failed)?, cells(right).map_err(failed)?);
    let at = |side: &[Value], row: usize| if side.len() == 1 { side[0].clone() } else { side[row].clone() };
    let truth: BooleanChunked = (0..rows(left, right))
        .map(|row| order(&at(&l, row), &at(&r, row)).map(|order| comparison.holds(order)))
        .collect();
    Ok(truth.with_name(left.name().clone()).into_series())
}

/// The order of two numbers; `None` where one is null. NaN is equal to itself and beyond all numbers, as in
/// PostgreSQL and polars.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (float(a), float(b)) {
        (Some(x), Some(y)) => x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan())),
        (None, Some(y)) => against(decimal(a)?, y),
        (Some(x), None) => against(decimal(b)?, x).reverse(),
        (None, None) => decimal(a)?.cmp(&decimal(b)?),
    })
}

/// An exact number against a float, which is its shortest decimal unless it is exactly the number (NUM-2), and
/// its exact value where the number is whole (NUM-1).
fn against(exact: Decimal, float: f64) -> Ordering {
    if float.is_nan() || float == f64::INFINITY {
        return Ordering::Less;
    }
    if float == f64::NEG_INFINITY {
        return Ordering::Greater;
    }
    if exact.is_exactly(float) {
        return Ordering::Equal;
    }
    if let Some(whole) = exact.to_i128().filter(|_| float.fract() == 0.0 && float.abs() < 1e38) {
        return whole.cmp(&(float as i128));
    }
    Decimal::shortest(float).map_or(Ordering::Less, |shortest| exact.cmp(&shortest))
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Float32(x) => Some(f64::from(*x)),
        _ => None,
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(i) => Some(Decimal::from(i128::from(*i))),
        Value::UInt(u) => Some(Decimal::from(i128::from(*u))),
        Value::Decimal(d) => Some(*d),
        _ => None,
    }
}
