//! The functions that stand in for what polars would bend in silence; `guards` puts them into the queries.

use std::sync::Arc;

use polars::prelude::udf::UserDefinedFunction;
use polars::prelude::{
    AnonymousColumnsUdf, Column, ColumnsUdf, DataType, Field, IntoColumn, PolarsError, PolarsResult, Schema,
    Series,
};
use polars::sql::{FunctionOptions, FunctionRegistry};

use crate::arithmetic::{self, Operation};
use crate::casts::{self, Cast};
use crate::compare::{self, Comparison};

/// A function that polars calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    Arithmetic(Operation),
    Compare(Comparison),
    Cast { cast: Cast, lenient: bool },
    NotZero,
    Round,
}

const PREFIX: &str = "counterfoil_";
/// The function that divides: its result is looked at for infinities.
pub(crate) const DIVIDE: &str = "counterfoil_divide";

const GUARDS: [(&str, Guard); 22] = [
    ("add", Guard::Arithmetic(Operation::Add)),
    ("subtract", Guard::Arithmetic(Operation::Subtract)),
    ("multiply", Guard::Arithmetic(Operation::Multiply)),
    ("divide", Guard::Arithmetic(Operation::Divide)),
    ("not_zero", Guard::NotZero),
    ("round", Guard::Round),
    ("equal", Guard::Compare(Comparison::Equal)),
    ("not_equal", Guard::Compare(Comparison::NotEqual)),
    ("less", Guard::Compare(Comparison::Less)),
    ("less_or_equal", Guard::Compare(Comparison::LessOrEqual)),
    ("greater", Guard::Compare(Comparison::Greater)),
    ("greater_or_equal", Guard::Compare(Comparison::GreaterOrEqual)),
    ("instant", Guard::Cast { cast: Cast::Instant, lenient: false }),
    ("local", Guard::Cast { cast: Cast::Local, lenient: false }),
    ("date", Guard::Cast { cast: Cast::Date, lenient: false }),
    ("time", Guard::Cast { cast: Cast::Time, lenient: false }),
    ("whole", Guard::Cast { cast: Cast::Whole, lenient: false }),
    ("summand", Guard::Cast { cast: Cast::Summand, lenient: false }),
    ("try_instant", Guard::Cast { cast: Cast::Instant, lenient: true }),
    ("try_local", Guard::Cast { cast: Cast::Local, lenient: true }),
    ("try_date", Guard::Cast { cast: Cast::Date, lenient: true }),
    ("try_time", Guard::Cast { cast: Cast::Time, lenient: true }),
];

/// Makes polars look our functions up.
pub(crate) struct Registry;

impl FunctionRegistry for Registry {
    fn register(&mut self, _name: &str, _function: UserDefinedFunction) -> PolarsResult<()> {
        Err(PolarsError::SQLInterface("functions can't be registered".into()))
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(find(name).map(|guard| {
            let mut function = UserDefinedFunction::new(name.into(), guard);
            function.options = FunctionOptions::elementwise();
            function
        }))
    }

    fn contains(&self, name: &str) -> bool {
        find(name).is_some()
    }
}

fn find(name: &str) -> Option<Guard> {
    let name = name.strip_prefix(PREFIX)?;
    GUARDS.iter().find(|(known, _)| *known == name).map(|(_, guard)| *guard)
}

impl Guard {
    fn apply(self, arguments: &[&Series]) -> PolarsResult<Series> {
        match (self, arguments) {
            (Self::Arithmetic(operation), [left, right]) => arithmetic::combine(operation, left, right),
            (Self::Compare(comparison), [left, right]) => compare::compare(comparison, left, right),
            (Self::Cast { cast, lenient }, [one]) => casts::cast(cast, lenient, one),
            (Self::NotZero, [divisor]) => not_zero(divisor),
            (Self::Round, [one]) => arithmetic::round(one, 0),
            (Self::Round, [one, places]) => arithmetic::round(one, places_of(places)?),
            _ => Err(PolarsError::SQLInterface("wrong number of operands".into())),
        }
    }
}

impl ColumnsUdf for Guard {
    fn call_udf(&self, arguments: &mut [Column]) -> PolarsResult<Column> {
        let series: Vec<&Series> = arguments.iter().map(Column::as_materialized_series).collect();
        self.apply(&series).map(IntoColumn::into_column)
    }
}

impl AnonymousColumnsUdf for Guard {
    fn as_column_udf(self: Arc<Self>) -> Arc<dyn ColumnsUdf> {
        self
    }

    fn deep_clone(self: Arc<Self>) -> Arc<dyn AnonymousColumnsUdf> {
        self
    }

    fn get_field(&self, _schema: &Schema, fields: &[Field]) -> PolarsResult<Field> {
        let empty = |field: &Field| {
            let data_type = field.dtype.clone().materialize_unknown(true)?;
            Ok::<_, PolarsError>(Series::new_empty(field.name.clone(), &data_type))
        };
        let empty = fields.iter().map(empty).collect::<PolarsResult<Vec<Series>>>()?;
        let result = self.apply(&empty.iter().collect::<Vec<_>>())?;
        let name = fields.first().map_or_else(|| "".into(), |field| field.name.clone());
        Ok(Field::new(name, result.dtype().clone()))
    }
}

fn not_zero(divisor: &Series) -> PolarsResult<Series> {
    let zero = divisor.dtype().is_numeric()
        && divisor.cast(&DataType::Float64)?.f64()?.iter().any(|value| value == Some(0.0));
    if zero {
        return Err(PolarsError::ComputeError(
            "division by zero; NULLIF(divisor, 0) gives null instead".into(),
        ));
    }
    Ok(divisor.clone())
}

/// The second operand of ROUND: one literal for all rows.
fn places_of(places: &Series) -> PolarsResult<u32> {
    let wrong = || PolarsError::InvalidOperation("ROUND takes a whole number of places, 0 or more".into());
    if places.is_empty() {
        return Ok(0);
    }
    let all = places.strict_cast(&DataType::UInt32).map_err(|_| wrong())?;
    let first = all.u32()?.get(0).ok_or_else(wrong)?;
    if all.u32()?.iter().all(|n| n == Some(first)) { Ok(first) } else { Err(wrong()) }
}
