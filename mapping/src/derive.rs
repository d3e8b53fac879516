//! From a request to the expected table, step by step.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use counterfoil_model::lineage::{Lineage, RowOrigin, SourceAccount};
use counterfoil_model::plan::Spanned;
use counterfoil_model::{MemoryTable, Type, names};

use crate::dedup::{Deduplicated, deduplicate};
use crate::error::{MappingError, Problem};
use crate::input::Input;
use crate::memory;
use crate::outputs::{self, Outputs};
use crate::query::{self, Answer};
use crate::reference::{Reference, Root, Scope, shorten};
use crate::rows::{Column, Rows, View};
use crate::syntax::{self, Parsed};
use crate::{Expected, ExpectedRows, Request, coverage, direct, explode, expression};

/// Derives what a target table should hold.
///
/// # Errors
/// Where the mapping is wrong or can't be carried out exactly, at its place in the plan.
pub fn derive(request: &Request) -> Result<Expected, MappingError> {
    memory::fits(request)?;
    let plan = request.plan;
    let (mut inputs, answer) = open(request)?;
    let schemas: Vec<_> = inputs.iter().map(|input| input.schema.clone()).collect();
    let before = Scope::new(schemas.clone(), answer.is_none(), false);
    let filter = plan.filter.as_ref().map(|text| Ok((parse(text, &before)?, text))).transpose()?;
    let exploded = plan.explode.as_ref().map(|text| Ok((explode_path(text, &before)?, text))).transpose()?;
    let outputs = outputs::decide(request, &Scope::new(schemas, answer.is_none(), exploded.is_some()))?;
    if let Some(expected) = direct::expected(request, &inputs, &outputs)? {
        return Ok(expected);
    }

    let filter_references = filter.iter().flat_map(|(parsed, _)| parsed.references());
    let explode_references = exploded.iter().map(|(reference, _)| reference);
    load(&mut inputs, outputs.references().chain(filter_references).chain(explode_references))
        .map_err(|p| p.at(&plan.name))?;

    let whole = inputs.iter().map(|i| Rows::all(i.rows)).collect::<Result<Vec<_>, _>>();
    let mut rows = whole.map_err(|p| p.at(&plan.name))?;
    if let Some((parsed, text)) = &filter {
        rows = kept(&inputs, &rows, parsed, text)?;
    }
    let mut accounts: Vec<SourceAccount> = inputs.iter().zip(&rows).map(|(i, r)| account(i, r)).collect();
    if let Some((reference, text)) = &exploded {
        rows = explode::explode(&inputs, &rows, reference, text)?;
    }
    accounts.iter_mut().zip(&rows).for_each(|(account, rows)| account.exploded = rows.picks.len() as u64);

    let batch = columns(&View { inputs: &inputs, rows: &rows }, &outputs, &plan.name)?;
    let used: Vec<&Reference> = outputs.references().collect();
    let unused = coverage::unused(&inputs, &rows, &used, exploded.as_ref().map(|(reference, _)| reference));
    let mut unmapped_source = unused.map_err(|p| p.at(&plan.name))?;
    unmapped_source.extend(answer.iter().flat_map(|answer| answer.unused.clone()));

    let names: Vec<String> = inputs.iter().map(|i| i.name.clone()).collect();
    let mapped = outputs::account(&outputs, &names);
    let mut expected = Expected {
        rows: ExpectedRows::Derived(batch),
        lineage: Lineage { sources: accounts, merges: Vec::new(), origins: origins(&inputs, &rows) },
        mapped,
        unmapped_source,
        unmapped_target: outputs.unmapped,
        identities: None,
    };
    merge(request, &mut expected)?;
    if answer.is_some() {
        expected.lineage.origins.clear();
    }
    Ok(expected)
}

/// The sources of a mapping without a query, and the columns that it reads of each; none where a source is taken as it
/// is.
pub(crate) fn before_rows(request: &Request) -> Result<Vec<(Input, BTreeSet<usize>)>, MappingError> {
    let plan = request.plan;
    let (inputs, _) = open(request)?;
    let schemas: Vec<_> = inputs.iter().map(|input| input.schema.clone()).collect();
    let before = Scope::new(schemas.clone(), true, false);
    let filter = plan.filter.as_ref().map(|text| parse(text, &before)).transpose()?;
    let exploded = plan.explode.as_ref().map(|text| explode_path(text, &before)).transpose()?;
    let outputs = outputs::decide(request, &Scope::new(schemas, true, exploded.is_some()))?;
    if direct::expected(request, &inputs, &outputs)?.is_some() {
        return Ok(Vec::new());
    }
    let filter = filter.iter().flat_map(Parsed::references);
    let wanted = wanted(inputs.len(), outputs.references().chain(filter).chain(&exploded));
    Ok(inputs.into_iter().zip(wanted).collect())
}

fn parse(text: &Spanned<String>, scope: &Scope) -> Result<Parsed, MappingError> {
    syntax::parse(&text.value, scope).map_err(|p| p.at(text))
}

fn open(request: &Request) -> Result<(Vec<Input>, Option<Answer>), MappingError> {
    if let Some(sql) = &request.plan.sql {
        let answer = query::answer(sql, request.sources)?;
        let name = format!("sql ({})", answer.tables.join(", "));
        let table = Arc::new(MemoryTable::of("sql", answer.batch.clone()));
        let input = Input::new(&name, "", table, Vec::new()).map_err(|p| p.at(sql))?;
        return Ok((vec![input], Some(answer)));
    }
    if request.plan.from.is_empty() {
        let message = format!("table '{}' says neither 'from' nor 'sql'", request.plan.name.value);
        return Err(MappingError::at(&request.plan.name, message));
    }
    let open = |text: &Spanned<String>| match request.sources.get(&text.value) {
        Some(source) => Input::open(&text.value, source).map_err(|p| p.at(text)),
        None => Err(unknown_source(&text.value, request.sources.keys()).at(text)),
    };
    Ok((request.plan.from.iter().map(open).collect::<Result<_, _>>()?, None))
}

/// A source that nobody has heard of.
pub(crate) fn unknown_source<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let known: Vec<String> = known.cloned().collect();
    let hint = names::suggestion(name, known.iter().map(String::as_str));
    Problem::new(format!("unknown source '{name}'{hint}"))
        .with_help(format!("known sources: {}", shorten(&known)))
}

fn explode_path(text: &Spanned<String>, scope: &Scope) -> Result<Reference, MappingError> {
    match parse(text, scope)? {
        Parsed::Bare(reference) => Ok(reference),
        Parsed::Sql { .. } => {
            Err(MappingError::at(text, "'explode' takes the name of a list, or a path to one"))
        }
    }
}

fn load<'a>(inputs: &mut [Input], references: impl Iterator<Item = &'a Reference>) -> Result<(), Problem> {
    let wanted = wanted(inputs.len(), references);
    inputs.iter_mut().zip(wanted).try_for_each(|(input, wanted)| input.load(wanted))
}

/// The columns that references name, by source.
fn wanted<'a>(sources: usize, references: impl Iterator<Item = &'a Reference>) -> Vec<BTreeSet<usize>> {
    let mut wanted: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); sources];
    for reference in references {
        if let Root::Field(positions) = &reference.root {
            positions.iter().zip(&mut wanted).for_each(|(position, wanted)| wanted.extend(position));
        }
    }
    wanted
}

/// The rows for which the condition is true; null is not true.
fn kept(
    inputs: &[Input],
    rows: &[Rows],
    condition: &Parsed,
    text: &Spanned<String>,
) -> Result<Vec<Rows>, MappingError> {
    let column = expression::column_of(&View { inputs, rows }, condition, text)?;
    let truths: Vec<bool> = match column.kind {
        Type::Null => vec![false; column.array.len()],
        Type::Bool => column.array.as_boolean().iter().map(|truth| truth == Some(true)).collect(),
        other => {
            let message = format!("the condition gives {other}, not true or false");
            return Err(MappingError::at(text, message));
        }
    };
    let mut truths = truths.into_iter();
    let kept = rows.iter().map(|rows| Rows {
        picks: rows.picks.iter().copied().filter(|_| truths.next() == Some(true)).collect(),
        items: Vec::new(),
    });
    Ok(kept.collect())
}

fn account(input: &Input, rows: &Rows) -> SourceAccount {
    let left = rows.picks.len();
    SourceAccount {
        source: input.name.clone(),
        rows: input.rows as u64,
        filtered: (input.rows - left) as u64,
        exploded: left as u64,
        merged: 0,
        kept: left as u64,
    }
}

fn columns(view: &View, outputs: &Outputs, table: &Spanned<String>) -> Result<RecordBatch, MappingError> {
    let (places, wanted) = outputs.bare();
    let bare = view.columns(&wanted)?;
    let mut columns: Vec<Option<Column>> = outputs.mapped.iter().map(|_| None).collect();
    places.into_iter().zip(bare).for_each(|(place, column)| columns[place] = Some(column));
    for (place, output) in outputs.mapped.iter().enumerate() {
        if let Some(parsed @ Parsed::Sql { .. }) = &output.parsed {
            columns[place] = Some(expression::column_of(view, parsed, &output.text)?);
        }
    }
    let named =
        outputs.mapped.iter().zip(columns).filter_map(|(output, column)| Some((&output.name, column?)));
    let (fields, arrays): (Vec<Field>, Vec<_>) =
        named.map(|(name, column)| (column.kind.field(name), column.array)).unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(view.count()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| Problem::from(e).at(table))
}

fn origins(inputs: &[Input], rows: &[Rows]) -> Vec<RowOrigin> {
    let of = |(source, (input, rows)): (usize, (&Input, &Rows))| {
        let origin = |pick: &u32| RowOrigin { source, key: input.row_key(*pick as usize) };
        rows.picks.iter().map(origin).collect::<Vec<_>>()
    };
    inputs.iter().zip(rows).enumerate().flat_map(of).collect()
}

fn merge(request: &Request, expected: &mut Expected) -> Result<(), MappingError> {
    if let (Some(dedup), ExpectedRows::Derived(all)) = (&request.plan.dedup, &expected.rows) {
        let origins = std::mem::take(&mut expected.lineage.origins);
        let Deduplicated { batch, origins, merges, mut identities } =
            deduplicate(dedup, all, origins, &request.plan.columns, request.defaults)?;
        identities.sources.resize(expected.lineage.sources.len(), Vec::new());
        for merge in &merges {
            expected.lineage.sources[merge.from.source].merged += 1;
        }
        expected.rows = ExpectedRows::Derived(batch);
        expected.lineage.origins = origins;
        expected.lineage.merges = merges;
        expected.identities = Some(identities);
    }
    for account in &mut expected.lineage.sources {
        account.kept = account.exploded - account.merged;
    }
    Ok(())
}
