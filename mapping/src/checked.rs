//! Arithmetic that fails instead of wrapping around: polars adds, subtracts and multiplies 64-bit integers
//! modulo 2^64, and gives null for a remainder or an integer division by zero, both in silence.
//!
//! `a + b`, `a - b` and `a * b` become calls of functions defined here; of `a // b` and `a % b` the divisor is
//! wrapped. `/` is left as it is: it gives infinity, which is looked for in the result.

use std::ops::ControlFlow;
use std::sync::Arc;

use polars::prelude::udf::UserDefinedFunction;
use polars::prelude::{
    AnonymousColumnsUdf, Column, ColumnsUdf, DataType, Field, Int64Chunked, IntoColumn, IntoSeries,
    PolarsError, PolarsResult, Schema, Series,
};
use polars::sql::{FunctionOptions, FunctionRegistry};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, VisitMut, visit_expressions_mut,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    NotZero,
}

const OPERATIONS: [(&str, Operation); 4] = [
    ("counterfoil_add", Operation::Add),
    ("counterfoil_subtract", Operation::Subtract),
    ("counterfoil_multiply", Operation::Multiply),
    ("counterfoil_not_zero", Operation::NotZero),
];

/// Makes polars look our functions up.
pub(crate) struct Registry;

impl FunctionRegistry for Registry {
    fn register(&mut self, _name: &str, _function: UserDefinedFunction) -> PolarsResult<()> {
        Err(PolarsError::SQLInterface("functions can't be registered".into()))
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(find(name).map(|operation| {
            let mut function = UserDefinedFunction::new(name.into(), operation);
            function.options = FunctionOptions::elementwise();
            function
        }))
    }

    fn contains(&self, name: &str) -> bool {
        find(name).is_some()
    }
}

fn find(name: &str) -> Option<Operation> {
    OPERATIONS.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation)
}

impl ColumnsUdf for Operation {
    fn call_udf(&self, arguments: &mut [Column]) -> PolarsResult<Column> {
        let series: Vec<&Series> = arguments.iter().map(Column::as_materialized_series).collect();
        match series.as_slice() {
            [divisor] => not_zero(divisor),
            [left, right] => self.combine(left, right).map(IntoColumn::into_column),
            _ => Err(PolarsError::SQLInterface("wrong number of operands".into())),
        }
    }
}

impl AnonymousColumnsUdf for Operation {
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
        match fields {
            [one] => Ok(Field::new(one.name.clone(), one.dtype.clone().materialize_unknown(true)?)),
            [left, right] => {
                let result = self.combine(&empty(left)?, &empty(right)?)?;
                Ok(Field::new(left.name.clone(), result.dtype().clone()))
            }
            _ => Err(PolarsError::SQLInterface("wrong number of operands".into())),
        }
    }
}

impl Operation {
    fn combine(self, left: &Series, right: &Series) -> PolarsResult<Series> {
        if left.dtype().is_integer() && right.dtype().is_integer() {
            return self.integers(left, right);
        }
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply | Self::NotZero => left * right,
        }
    }

    fn integers(self, left: &Series, right: &Series) -> PolarsResult<Series> {
        let (wide_left, wide_right) = (left.strict_cast(&DataType::Int64)?, right.strict_cast(&DataType::Int64)?);
        let (a, b) = (wide_left.i64()?, wide_right.i64()?);
        let rows = if a.len() == 1 { b.len() } else { a.len() };
        let at = |side: &Int64Chunked, row: usize| side.get(if side.len() == 1 { 0 } else { row });
        let cells = (0..rows).map(|row| match (at(a, row), at(b, row)) {
            (Some(x), Some(y)) => self.checked(x, y).map(Some),
            _ => Ok(None),
        });
        let result = cells.collect::<PolarsResult<Int64Chunked>>()?;
        Ok(result.with_name(left.name().clone()).into_series())
    }

    fn checked(self, x: i64, y: i64) -> PolarsResult<i64> {
        let (result, sign) = match self {
            Self::Add => (x.checked_add(y), '+'),
            Self::Subtract => (x.checked_sub(y), '-'),
            Self::Multiply | Self::NotZero => (x.checked_mul(y), '*'),
        };
        let overflow = || PolarsError::ComputeError(format!("{x} {sign} {y} does not fit 64 bits").into());
        result.ok_or_else(overflow)
    }
}

fn not_zero(divisor: &Series) -> PolarsResult<Column> {
    let zero = divisor.dtype().is_primitive_numeric()
        && divisor.cast(&DataType::Float64)?.f64()?.iter().any(|value| value == Some(0.0));
    if zero {
        return Err(PolarsError::ComputeError("division by zero; NULLIF(divisor, 0) gives null instead".into()));
    }
    Ok(divisor.clone().into_column())
}

/// Replaces the operators that polars lets wrap around.
pub(crate) fn guard<V: VisitMut>(query: &mut V) {
    let _: ControlFlow<()> = visit_expressions_mut(query, |expression: &mut Expr| {
        guard_one(expression);
        ControlFlow::Continue(())
    });
}

fn guard_one(expression: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = expression else { return };
    if matches!(**left, Expr::Interval(_)) || matches!(**right, Expr::Interval(_)) {
        return;
    }
    let name = match op {
        BinaryOperator::Plus => "counterfoil_add",
        BinaryOperator::Minus => "counterfoil_subtract",
        BinaryOperator::Multiply => "counterfoil_multiply",
        BinaryOperator::Modulo | BinaryOperator::DuckIntegerDivide => {
            **right = call("counterfoil_not_zero", vec![(**right).clone()]);
            return;
        }
        _ => return,
    };
    *expression = call(name, vec![(**left).clone(), (**right).clone()]);
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
