//! Exact arithmetic over columns: integers and decimals give what SQL promises, or an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::compute;
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, Float64Type, Int64Type, i256};
use counterfoil_model::decimal::Decimal;
use polars::prelude::{DataType, PolarsError, PolarsResult, RoundMode, RoundSeries, Series};

use crate::bridge;
use crate::error::Problem;

/// An operation that polars would carry out otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

const DIGITS: u8 = 38;

/// The result, row by row; one row on a side stands for all.
pub(crate) fn combine(operation: Operation, left: &Series, right: &Series) -> PolarsResult<Series> {
    let (a, b) = (left.dtype(), right.dtype());
    let real = |t: &DataType| t.is_primitive_numeric() || t.is_decimal();
    if a.is_null() || b.is_null() {
        let rows = if left.len() == 1 { right.len() } else { left.len() };
        let data_type = if a.is_null() { b } else { a };
        return Ok(Series::full_null(left.name().clone(), rows, data_type));
    }
    if !(real(a) && real(b)) {
        return others(operation, left, right);
    }
    let float = a.is_float() || b.is_float() || operation == Operation::Divide;
    let arrays = bridge::from_polars(left).and_then(|l| Ok((l, bridge::from_polars(right)?)));
    let (l, r) = arrays.map_err(failed)?;
    let result = if float {
        floats(operation, &l, &r)
    } else if a.is_decimal() || b.is_decimal() {
        decimals(operation, &l, &r)
    } else {
        integers(operation, &l, &r)
    };
    result.and_then(|array| bridge::to_polars(left.name(), array.as_ref())).map_err(failed)
}

/// Rounds decimals half away from zero, as SQL databases do; polars rounds halves to even. Floats it may round
/// its own way: databases differ there, too.
pub(crate) fn round(numbers: &Series, places: u32) -> PolarsResult<Series> {
    if !numbers.dtype().is_decimal() {
        return numbers.round(places, RoundMode::HalfToEven);
    }
    let array = bridge::from_polars(numbers).map_err(failed)?;
    let (cells, scale) = unscaled(&array).map_err(failed)?;
    let unit = 10_i128.pow(scale.unsigned_abs().saturating_sub(places));
    let rounded = cells.into_iter().map(|n| n.map(|n| (n + n.signum() * (unit / 2)) / unit * unit));
    // A half added to 38 digits may need a 39th, which an i128 has room for.
    let fits = |n: &Option<i128>| n.is_none_or(|n| n.unsigned_abs() < 10_u128.pow(u32::from(DIGITS)));
    let rounded: Vec<Option<i128>> = rounded.collect();
    if !rounded.iter().all(fits) {
        return Err(failed(Problem::new("a rounded number does not fit 38 digits")));
    }
    let kind = ArrowType::Decimal128(DIGITS, i8::try_from(scale).unwrap_or(0));
    let array = Decimal128Array::from(rounded).with_data_type(kind);
    bridge::to_polars(numbers.name(), &array).map_err(failed)
}

fn failed(problem: Problem) -> PolarsError {
    PolarsError::ComputeError(problem.message.into())
}

/// Times and durations are polars' own business; everything else has no arithmetic.
fn others(operation: Operation, left: &Series, right: &Series) -> PolarsResult<Series> {
    let (a, b) = (left.dtype(), right.dtype());
    match operation {
        Operation::Add if a.is_temporal() && b.is_temporal() => left + right,
        Operation::Subtract if a.is_temporal() && b.is_temporal() => left - right,
        _ => {
            let message =
                format!("{} and {} can't be combined with '{}'", shown(a), shown(b), operation.sign());
            Err(PolarsError::InvalidOperation(message.into()))
        }
    }
}

fn shown(data_type: &DataType) -> String {
    if data_type.is_string() { "text".into() } else { data_type.to_string() }
}

/// The cells of both sides, row by row.
fn pairs<'a, A: Copy, B: Copy>(
    left: &'a [Option<A>],
    right: &'a [Option<B>],
) -> impl Iterator<Item = Option<(A, B)>> + 'a {
    let rows = if left.len() == 1 { right.len() } else { left.len() };
    let at = |length: usize, row: usize| if length == 1 { 0 } else { row };
    (0..rows).map(move |row| left[at(left.len(), row)].zip(right[at(right.len(), row)]))
}

fn integers(operation: Operation, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, Problem> {
    let (left, right) = (whole(left)?, whole(right)?);
    let cells = pairs(&left, &right).map(|pair| pair.map(|(x, y)| operation.integers(x, y)).transpose());
    Ok(Arc::new(cells.collect::<Result<Int64Array, _>>()?))
}

/// Numbers without fraction, as 64 bits; those that don't fit are an error.
fn whole(array: &ArrayRef) -> Result<Vec<Option<i64>>, Problem> {
    let options = compute::CastOptions { safe: false, ..Default::default() };
    let wide = compute::cast_with_options(array, &ArrowType::Int64, &options)?;
    Ok(wide.as_primitive::<Int64Type>().iter().collect())
}

fn decimals(operation: Operation, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, Problem> {
    let ((left, s), (right, t)) = (unscaled(left)?, unscaled(right)?);
    let scale = if operation == Operation::Multiply { s + t } else { s.max(t) };
    let scale = i8::try_from(scale).ok().filter(|scale| *scale <= DIGITS as i8);
    let scale = scale
        .ok_or_else(|| Problem::new("the result needs more than 38 decimal places; ROUND the operands"))?;
    let cells = pairs(&left, &right).map(|pair| {
        let cell = |(x, y)| {
            let (x, y) = (Decimal::new(i256::from_i128(x), s), Decimal::new(i256::from_i128(y), t));
            operation.decimals(x, y, i32::from(scale)).ok_or_else(|| operation.overflow(x, y, "38 digits"))
        };
        pair.map(cell).transpose()
    });
    let result = cells.collect::<Result<Decimal128Array, _>>()?;
    Ok(Arc::new(result.with_data_type(ArrowType::Decimal128(DIGITS, scale))))
}

/// The digits of decimals and integers, and how many of them stand after the point.
fn unscaled(array: &ArrayRef) -> Result<(Vec<Option<i128>>, i32), Problem> {
    match array.data_type() {
        ArrowType::Decimal128(_, scale) => {
            Ok((array.as_primitive::<Decimal128Type>().iter().collect(), i32::from(*scale)))
        }
        _ => Ok((whole(array)?.into_iter().map(|n| n.map(i128::from)).collect(), 0)),
    }
}

fn floats(operation: Operation, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, Problem> {
    let (left, right) = (doubles(left)?, doubles(right)?);
    let cells = pairs(&left, &right).map(|pair| pair.map(|(x, y)| operation.floats(x, y)));
    Ok(Arc::new(cells.collect::<Float64Array>()))
}

/// The nearest doubles.
fn doubles(array: &ArrayRef) -> Result<Vec<Option<f64>>, Problem> {
    if let ArrowType::Decimal128(_, scale) = array.data_type() {
        let nearest = |n: i128| Decimal::new(i256::from_i128(n), i32::from(*scale)).to_f64();
        return Ok(array.as_primitive::<Decimal128Type>().iter().map(|n| n.map(nearest)).collect());
    }
    let wide = compute::cast(array, &ArrowType::Float64)?;
    Ok(wide.as_primitive::<Float64Type>().iter().collect())
}

impl Operation {
    fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
        }
    }

    fn overflow(self, x: impl std::fmt::Display, y: impl std::fmt::Display, room: &str) -> Problem {
        Problem::new(format!("{x} {} {y} does not fit {room}", self.sign()))
    }

    fn integers(self, x: i64, y: i64) -> Result<i64, Problem> {
        let result = match self {
            Self::Add => x.checked_add(y),
            Self::Subtract => x.checked_sub(y),
            Self::Multiply => x.checked_mul(y),
            Self::Divide => None,
        };
        result.ok_or_else(|| self.overflow(x, y, "64 bits"))
    }

    fn decimals(self, x: Decimal, y: Decimal, scale: i32) -> Option<i128> {
        let result = match self {
            // 76 digits are room enough for any product of two numbers of 38.
            Self::Multiply => Decimal::new(x.unscaled().checked_mul(y.unscaled())?, x.scale() + y.scale()),
            Self::Add => Decimal::new(x.at_scale(scale)?.checked_add(y.at_scale(scale)?)?, scale),
            Self::Subtract => Decimal::new(x.at_scale(scale)?.checked_sub(y.at_scale(scale)?)?, scale),
            Self::Divide => return None,
        };
        result.at_scale(scale)?.to_i128().filter(|n| n.unsigned_abs() < 10_u128.pow(u32::from(DIGITS)))
    }

    fn floats(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Add => x + y,
            Self::Subtract => x - y,
            Self::Multiply => x * y,
            Self::Divide => x / y,
        }
    }
}
