//! Runs SQL expressions over canonical columns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type};
use counterfoil_model::plan::Spanned;
use counterfoil_model::{MemoryTable, Type, Value, names};
use polars::prelude::{
    Column as PolarsColumn, DataFrame, DataType, IntoColumn, IntoLazy, NamedFrom, PolarsResult, Series,
};
use polars::sql::SQLContext;
use polars::sql::keywords::all_functions;
use sqlparser::ast::Expr;

use crate::bridge;
use crate::checked::Registry;
use crate::error::{MappingError, Problem};
use crate::exchange::{from_arrow, to_arrow, unit_of};
use crate::input::Input;
use crate::reference::Scope;
use crate::rows::{Column, Rows, View, Wanted};
use crate::syntax::{self, Parsed};

const TABLE: &str = "counterfoil rows";
const RESULT: &str = "counterfoil result";
const ROW: &str = "counterfoil row";

/// Evaluates an expression, such as the `by` of a `dedup`, for every row of a canonical batch.
///
/// # Errors
/// Where the expression is wrong, or can't be evaluated exactly.
pub fn evaluate(expression: &Spanned<String>, batch: &RecordBatch) -> Result<Vec<Value>, MappingError> {
    let schema = batch.schema();
    let rows = batch.num_rows();
    let parsed = syntax::parse(&expression.value, &Scope::new(vec![schema.clone()], false, false))
        .map_err(|p| p.at(expression))?;
    let table = Arc::new(MemoryTable::of("", batch.clone()));
    let input = Input::new("", "", table, Vec::new()).and_then(|mut input| {
        input.load(0..schema.fields().len())?;
        Ok(([input], [Rows::all(rows)?]))
    });
    let (inputs, rows) = input.map_err(|p| p.at(expression))?;
    let view = View { inputs: &inputs, rows: &rows };
    Ok(column_of(&view, &parsed, expression)?.values())
}

/// The column that an expression gives over the rows of a view.
pub(crate) fn column_of(
    view: &View,
    parsed: &Parsed,
    text: &Spanned<String>,
) -> Result<Column, MappingError> {
    let wanted: Vec<Wanted> = parsed
        .references()
        .iter()
        .map(|reference| Wanted { reference: reference.clone(), asker: text.clone() })
        .collect();
    let mut columns = view.columns(&wanted)?;
    match parsed {
        Parsed::Bare(_) => columns.pop().ok_or_else(|| MappingError::at(text, "nothing is referred to")),
        Parsed::Sql { expression, references } => {
            let named: Vec<(String, Column)> =
                references.iter().map(|r| r.text.clone()).zip(columns).collect();
            compute(expression, &named, view.count()).map_err(|p| p.at(text))
        }
    }
}

/// Evaluates SQL over columns; one value a row.
pub(crate) fn compute(
    expression: &Expr,
    columns: &[(String, Column)],
    rows: usize,
) -> Result<Column, Problem> {
    let unit = unit_of(columns.iter().map(|(_, column)| column), syntax::names_nanoseconds(expression));
    let arrays: Vec<(&str, ArrayRef)> = columns
        .iter()
        .map(|(name, column)| Ok((name.as_str(), to_arrow(name, column, unit)?)))
        .collect::<Result<_, Problem>>()?;
    let query = format!("SELECT {expression} AS \"{RESULT}\", \"{ROW}\" FROM \"{TABLE}\"");
    // A column without any value has no type of its own: it takes the first that the expression agrees with.
    let mut first_problem = None;
    for empty in [DataType::Null, DataType::String, DataType::Int64, DataType::Boolean] {
        match run(&query, &arrays, rows, &empty) {
            Ok(series) => return accept(expression, columns, &series, rows),
            Err(problem) => first_problem = first_problem.or(Some(problem)),
        }
        if arrays.iter().all(|(_, array)| !array.data_type().is_null()) {
            break;
        }
    }
    Err(first_problem.unwrap_or_else(|| Problem::new("the expression gave nothing")))
}

fn run(query: &str, arrays: &[(&str, ArrayRef)], rows: usize, empty: &DataType) -> Result<Series, Problem> {
    let numbers: Vec<i64> = (0..rows as i64).collect();
    let mut columns: Vec<PolarsColumn> = vec![Series::new(ROW.into(), &numbers).into_column()];
    for (name, array) in arrays {
        columns.push(series_of(&syntax::column_name(name), array, empty)?.into_column());
    }
    let frame = DataFrame::new(rows, columns).map_err(polars_problem)?;
    let mut context = SQLContext::new().with_function_registry(Arc::new(Registry));
    context.register(TABLE, frame.lazy());
    let result = quietly(|| context.execute(query)?.collect())?;
    let order = result.column(ROW).map_err(polars_problem)?.as_materialized_series().clone();
    let kept = order.i64().is_ok_and(|n| n.len() == rows && n.iter().zip(0..).all(|(a, b)| a == Some(b)));
    if !kept {
        return Err(Problem::new("the expression does not give one value for each row"));
    }
    Ok(result.column(RESULT).map_err(polars_problem)?.as_materialized_series().clone())
}

/// A column for polars; one without any value as `empty`.
pub(crate) fn series_of(name: &str, array: &ArrayRef, empty: &DataType) -> Result<Series, Problem> {
    if array.data_type().is_null() {
        return Ok(Series::full_null(name.into(), array.len(), empty));
    }
    bridge::to_polars(name, array.as_ref())
}

/// Runs polars, whose panics become problems.
pub(crate) fn quietly<T>(work: impl FnOnce() -> PolarsResult<T>) -> Result<T, Problem> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(polars_problem),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(Problem::new(format!("the SQL engine gave up: {}", first_line(text))))
        }
    }
}

pub(crate) fn polars_problem(error: polars::prelude::PolarsError) -> Problem {
    let text = error.to_string();
    if let Some((_, rest)) = text.split_once("unsupported function '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        if all_functions().contains(&name) {
            return Problem::new(format!("function '{name}' is not available"));
        }
        let hint = names::suggestion(&name.to_lowercase(), all_functions());
        return Problem::new(format!("unknown function '{name}'{hint}"));
    }
    let problem = Problem::new(format!("failed to evaluate: {}", first_line(&text)));
    if text.contains("'date/datetime/time' to a string") {
        return problem.with_help("write the time as in '2024-12-31 23:59:59', in UTC and without a zone");
    }
    if text.contains("conversion from") {
        return problem.with_help("TRY_CAST gives null where a value can't be read");
    }
    problem
}

fn first_line(text: &str) -> String {
    const LONG: usize = 300;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(text);
    match line.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

fn accept(
    expression: &Expr,
    inputs: &[(String, Column)],
    series: &Series,
    rows: usize,
) -> Result<Column, Problem> {
    let array = bridge::from_polars(series)?;
    let column = from_arrow(&array)?;
    if column.array.len() != rows {
        return Err(Problem::new("the expression does not give one value for each row"));
    }
    let finite_inputs = || inputs.iter().all(|(_, input)| finite(input));
    if syntax::divides(expression) && !finite(&column) && finite_inputs() {
        return Err(Problem::new("a division by zero, or a result too large for a float")
            .with_help("NULLIF(divisor, 0) gives null instead"));
    }
    Ok(column)
}

fn finite(column: &Column) -> bool {
    match column.kind {
        Type::Float => column.array.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite),
        Type::Float32 => column.array.as_primitive::<Float32Type>().iter().flatten().all(f32::is_finite),
        _ => true,
    }
}
