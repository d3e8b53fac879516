//! How much memory a mapping takes, told before it takes it: polars holds whole tables.

use std::collections::BTreeSet;

use counterfoil_model::plan::Spanned;
use counterfoil_model::wording::number;

use crate::derive::before_rows;
use crate::error::{MappingError, Problem};
use crate::input::Input;
use crate::{Request, query};

/// Measured: a condition or an expression over 10 columns of 10 million rows takes 3.5 to 4.2 times the columns' bytes
/// at its peak (they are read, put together, computed and derived).
const MAPPING: u64 = 5;
/// Measured: a query over the same takes 5.6 times.
const QUERY: u64 = 6;

/// About how many bytes the mapping of a table holds at once; nothing where its source is taken as it is.
///
/// # Errors
/// Where the mapping is wrong, or its sources can't be read.
pub fn memory_needed(request: &Request) -> Result<u64, MappingError> {
    Ok(need(request)?.bytes)
}

/// Refuses a mapping that wouldn't fit.
pub(crate) fn fits(request: &Request) -> Result<(), MappingError> {
    let Some(limit) = request.memory else { return Ok(()) };
    let need = need(request)?;
    if need.bytes <= limit as u64 {
        return Ok(());
    }
    let mib = |bytes: u64| number(bytes.div_ceil(1 << 20));
    let message = format!(
        "mapping {} rows would take about {} MiB of memory, where --memory allows {} MiB",
        number(need.rows),
        mib(need.bytes),
        mib(limit as u64)
    );
    let help = "allow more with --memory, or let the source do this part: a view there is a table here. \
                Where all columns are taken by their names alone, a mapping takes no memory";
    Err(Problem::new(message).with_help(help).at(need.place))
}

struct Need<'a> {
    bytes: u64,
    rows: u64,
    place: &'a Spanned<String>,
}

fn need<'a>(request: &Request<'a>) -> Result<Need<'a>, MappingError> {
    let plan = request.plan;
    let (place, factor, wanted) = match &plan.sql {
        Some(sql) => (sql, QUERY, query::wanted(sql, request.sources)?),
        None => (&plan.name, MAPPING, before_rows(request)?),
    };
    let mut need = Need { bytes: 0, rows: 0, place };
    for (input, columns) in wanted {
        let bytes = bytes(&input, columns).map_err(|p| p.at(place))?;
        need.bytes = need.bytes.saturating_add(bytes.saturating_mul(factor));
        need.rows += input.rows as u64;
    }
    Ok(need)
}

/// The bytes of some columns, as wide as they are in the first chunk.
fn bytes(input: &Input, columns: BTreeSet<usize>) -> Result<u64, Problem> {
    let columns: BTreeSet<usize> = columns.into_iter().chain(input.key.iter().copied()).collect();
    let columns: Vec<usize> = columns.into_iter().collect();
    if input.rows == 0 || columns.is_empty() || input.table().chunks() == 0 {
        return Ok(0);
    }
    let first = input.table().read(0, Some(&columns))?;
    let read = first.num_rows().max(1) as u64;
    Ok((first.get_array_memory_size() as u64).saturating_mul(input.rows as u64) / read)
}
