//! Free SQL over all sources.
//!
//! polars knows no schemas, so `friday.users` becomes one quoted name, in relations and in column names; a path
//! into a document (`u.address.city`) becomes a column of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Field, Schema};
use counterfoil_model::KeySpec;
use counterfoil_model::plan::Spanned;
use polars::prelude::{DataFrame, DataType, IntoColumn, IntoLazy};
use polars::sql::SQLContext;
use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, Statement, TableFactor, Visit, Visitor,
    visit_expressions_mut, visit_relations_mut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::checked::Registry;
use crate::derive::unknown_source;
use crate::error::{MappingError, Problem};
use crate::exchange::{from_arrow, to_arrow, unit_of};
use crate::expression::{polars_problem, quietly, series_of};
use crate::input::Input;
use crate::reference::{Reference, Root};
use crate::rows::{Column, Rows, View, Wanted};
use crate::{Source, bridge, guards, hoist, syntax};

/// What free SQL gave.
pub(crate) struct Answer {
    /// The rows, in canonical order.
    pub batch: RecordBatch,
    /// The sources that the query names.
    pub tables: Vec<String>,
    /// Their fields that the query doesn't name.
    pub unused: Vec<(String, u64)>,
}

/// Runs a query. Only tables and columns that it names are read.
pub(crate) fn answer(
    sql: &Spanned<String>,
    sources: &BTreeMap<String, Source>,
) -> Result<Answer, MappingError> {
    let at = |problem: Problem| problem.at(sql);
    let mut statement = syntax::parse_query(&sql.value).map_err(at)?;
    let mut named = Named::of(&statement, &sql.value);
    named.rename_relations(&mut statement, sources).map_err(at)?;
    let mut tables = BTreeMap::new();
    for name in &named.tables {
        let opened = sources.get(name).map(|source| Input::open(name, source)).transpose().map_err(at)?;
        tables.extend(opened.map(|input| (name.clone(), input)));
    }
    let paths = named.rename_columns(&mut statement, &tables);
    guards::guard_query(&mut statement);
    let mut loaded = Loaded::default();
    for (name, input) in &mut tables {
        loaded.load(input, &named, paths.get(name).map_or(&[], Vec::as_slice), sql)?;
    }
    let batch = loaded.run(&statement, named.wildcard).map_err(at)?;
    let tables = tables.into_keys().collect();
    Ok(Answer { batch, tables, unused: loaded.unused })
}

/// The sources that a query names, and the columns that it reads of each.
pub(crate) fn wanted(
    sql: &Spanned<String>,
    sources: &BTreeMap<String, Source>,
) -> Result<Vec<(Input, BTreeSet<usize>)>, MappingError> {
    let at = |problem: Problem| problem.at(sql);
    let mut statement = syntax::parse_query(&sql.value).map_err(at)?;
    let mut named = Named::of(&statement, &sql.value);
    named.rename_relations(&mut statement, sources).map_err(at)?;
    let mut all = Vec::new();
    for name in &named.tables {
        let Some(source) = sources.get(name) else { continue };
        let input = Input::open(name, source).map_err(at)?;
        let fields = input.schema.fields().iter().enumerate();
        let columns = fields.filter(|(_, f)| named.reads(f.name())).map(|(at, _)| at).collect();
        all.push((input, columns));
    }
    Ok(all)
}

/// The names that a query uses.
#[derive(Default)]
struct Named {
    /// Names of common table expressions.
    local: BTreeSet<String>,
    /// What each alias or table name stands for; `None` where it isn't a source, or more than one.
    aliases: BTreeMap<String, Option<String>>,
    /// Names that the query itself gives (else a name is a table's own, without its connection).
    given: BTreeSet<String>,
    tables: BTreeSet<String>,
    words: BTreeSet<String>,
    wildcard: bool,
}

impl Named {
    fn of(statement: &Statement, text: &str) -> Self {
        let mut named = Self::default();
        let _: ControlFlow<()> = statement.visit(&mut named);
        // Words, not only expressions: `USING (id)` and `NATURAL JOIN` name columns too.
        for token in Tokenizer::new(&GenericDialect {}, text).tokenize().unwrap_or_default() {
            if let Token::Word(word) = token {
                named.wildcard |= word.value.eq_ignore_ascii_case("natural");
                named.words.insert(word.value);
            }
        }
        named
    }

    /// Whether the query may read a column of this name.
    fn reads(&self, column: &str) -> bool {
        self.wildcard || self.words.contains(column)
    }

    fn alias(&mut self, alias: String, table: Option<String>) {
        let place = self.aliases.entry(alias).or_insert_with(|| table.clone());
        if *place != table {
            *place = None;
        }
    }

    /// Gives each source its full name as one quoted word.
    fn rename_relations(
        &mut self,
        statement: &mut Statement,
        known: &BTreeMap<String, Source>,
    ) -> Result<(), Problem> {
        let flow = visit_relations_mut(statement, |relation| {
            let full = full_name(relation);
            if self.local.contains(&full) {
                return ControlFlow::Continue(());
            }
            if !known.contains_key(&full) {
                return ControlFlow::Break(unknown_source(&full, known.keys()));
            }
            *relation = ObjectName::from(vec![Ident::with_quote('"', full.clone())]);
            self.tables.insert(full);
            ControlFlow::Continue(())
        });
        match flow {
            ControlFlow::Break(problem) => Err(problem),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Renames qualified columns and paths; the paths of each table come back.
    fn rename_columns(
        &self,
        statement: &mut Statement,
        tables: &BTreeMap<String, Input>,
    ) -> BTreeMap<String, Vec<Reference>> {
        let mut paths: BTreeMap<String, Vec<Reference>> = BTreeMap::new();
        let _: ControlFlow<()> = visit_expressions_mut(statement, |expression: &mut Expr| {
            if let Expr::CompoundIdentifier(names) = expression {
                let parts: Vec<String> = names.iter().map(|n| n.value.clone()).collect();
                if let Some((renamed, path)) = self.column(&parts, tables) {
                    *expression = renamed;
                    if let Some((table, reference)) = path {
                        let known = paths.entry(table).or_default();
                        if !known.contains(&reference) {
                            known.push(reference);
                        }
                    }
                }
            }
            ControlFlow::Continue(())
        });
        paths
    }

    fn column(
        &self,
        parts: &[String],
        tables: &BTreeMap<String, Input>,
    ) -> Option<(Expr, Option<(String, Reference)>)> {
        let (qualifier, table, rest) = self.table_of(parts, tables)?;
        let input = tables.get(&table)?;
        let whole = rest.join(".");
        let name = |text: &str| match &qualifier {
            Some(qualifier) => Expr::CompoundIdentifier(vec![
                Ident::with_quote('"', qualifier),
                Ident::with_quote('"', text),
            ]),
            None => Expr::Identifier(Ident::with_quote('"', text)),
        };
        let direct = rest.len() == 1 || input.schema.index_of(&whole).is_ok();
        if direct {
            return Some((name(&whole), None));
        }
        let position = input.schema.index_of(&rest[0]).ok()?;
        let root = Root::Field(vec![Some(position)]);
        let reference = Reference { root, path: rest[1..].to_vec(), text: whole.clone() };
        Some((name(&whole), Some((table, reference))))
    }

    /// The table that a qualified column belongs to: its qualifier in the renamed query, its name, and the rest.
    fn table_of(
        &self,
        parts: &[String],
        tables: &BTreeMap<String, Input>,
    ) -> Option<(Option<String>, String, Vec<String>)> {
        if let Some(Some(table)) = self.aliases.get(&parts[0]) {
            let qualifier = if self.given.contains(&parts[0]) { &parts[0] } else { table };
            return Some((Some(qualifier.clone()), table.clone(), parts[1..].to_vec()));
        }
        if self.aliases.contains_key(&parts[0]) {
            return None;
        }
        let full = parts[..2].join(".");
        if parts.len() > 2 && tables.contains_key(&full) {
            return Some((Some(full.clone()), full, parts[2..].to_vec()));
        }
        let mut owners = tables.iter().filter(|(_, input)| input.schema.index_of(&parts[0]).is_ok());
        match (owners.next(), owners.next()) {
            (Some((table, _)), None) => Some((None, table.clone(), parts.to_vec())),
            _ => None,
        }
    }
}

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let local =
            query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone());
        self.local.extend(local);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let wild =
            |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        self.wildcard |= select.projection.iter().any(wild);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let full = full_name(name);
                let table = (!self.local.contains(&full)).then(|| full.clone());
                self.given.extend(alias.iter().map(|a| a.name.value.clone()));
                let own = full.split_once('.').map_or(full.as_str(), |(_, own)| own).to_owned();
                self.alias(alias.as_ref().map_or(own, |a| a.name.value.clone()), table);
            }
            TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => {
                self.alias(alias.name.value.clone(), None);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

pub(crate) fn full_name(name: &ObjectName) -> String {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| part.as_ident().map_or_else(|| part.to_string(), |i| i.value.clone()))
        .collect();
    parts.join(".")
}

/// The tables of a query, as far as SQL can hold them.
#[derive(Default)]
struct Loaded {
    tables: Vec<(String, Vec<(String, Column)>)>,
    unused: Vec<(String, u64)>,
}

impl Loaded {
    fn load(
        &mut self,
        input: &mut Input,
        named: &Named,
        paths: &[Reference],
        sql: &Spanned<String>,
    ) -> Result<(), MappingError> {
        let mut direct = Vec::new();
        for (position, field) in input.schema.fields().iter().enumerate() {
            if named.reads(field.name()) {
                direct.push(position);
            } else if !field.name().starts_with("__") {
                self.unused.push((format!("{}.{}", input.name, field.name()), input.rows as u64));
            }
        }
        input.load(direct.iter().copied()).map_err(|p| p.at(sql))?;
        let mut columns = Vec::new();
        for position in direct {
            let column = input.column(position).map_err(|p| p.at(sql))?;
            columns.push((input.schema.field(position).name().clone(), column));
        }
        let rows = Rows::all(input.rows).map_err(|p| p.at(sql))?;
        let view = View { inputs: std::slice::from_ref(input), rows: std::slice::from_ref(&rows) };
        let wanted: Vec<Wanted> =
            paths.iter().map(|r| Wanted { reference: r.clone(), asker: sql.clone() }).collect();
        columns.extend(paths.iter().map(|p| p.text.clone()).zip(view.columns(&wanted)?));
        self.tables.push((input.name.clone(), columns));
        Ok(())
    }

    fn run(&self, statement: &Statement, wildcard: bool) -> Result<RecordBatch, Problem> {
        let fine = syntax::names_nanoseconds(statement);
        let unit = unit_of(
            self.tables.iter().flat_map(|(_, columns)| columns.iter().map(|(_, column)| column)),
            fine,
        );
        let mut left_out: Vec<(String, Problem)> = Vec::new();
        let mut tables: Vec<(&str, Vec<(&str, ArrayRef)>)> = Vec::new();
        for (table, columns) in &self.tables {
            let mut arrays = Vec::new();
            for (name, column) in columns {
                match to_arrow(name, column, unit) {
                    Ok(array) => arrays.push((name.as_str(), array)),
                    Err(problem) if wildcard => {
                        return Err(problem.with_help("name the columns instead of '*'"));
                    }
                    Err(problem) => left_out.push((name.clone(), problem)),
                }
            }
            tables.push((table, arrays));
        }
        match attempts(statement, &tables) {
            Ok(frame) => ordered(&frame),
            Err(problem) => {
                let meant = left_out.into_iter().find(|(name, _)| problem.message.contains(name.as_str()));
                Err(meant.map_or(problem, |(_, reason)| reason))
            }
        }
    }
}

/// Columns without any value have no type: each is tried until the query agrees.
fn attempts(query: &Statement, tables: &[(&str, Vec<(&str, ArrayRef)>)]) -> Result<DataFrame, Problem> {
    let mut first = None;
    for empty in [DataType::Null, DataType::String, DataType::Int64, DataType::Boolean] {
        match execute(query, tables, &empty) {
            Ok(frame) => return Ok(frame),
            Err(problem) => first = first.or(Some(problem)),
        }
        if tables.iter().all(|(_, columns)| columns.iter().all(|(_, array)| !array.data_type().is_null())) {
            break;
        }
    }
    Err(first.unwrap_or_else(|| Problem::new("the query gave nothing")))
}

fn execute(
    query: &Statement,
    tables: &[(&str, Vec<(&str, ArrayRef)>)],
    empty: &DataType,
) -> Result<DataFrame, Problem> {
    let mut context = SQLContext::new().with_function_registry(Arc::new(Registry));
    for (table, columns) in tables {
        let series = columns.iter().map(|(name, array)| Ok(series_of(name, array, empty)?.into_column()));
        let frame =
            DataFrame::new_infer_height(series.collect::<Result<_, Problem>>()?).map_err(polars_problem)?;
        context.register(table, frame.lazy());
    }
    quietly(|| hoist::execute(&mut context, query)?.collect())
}

/// The result in canonical columns and in canonical order: polars promises none.
fn ordered(frame: &DataFrame) -> Result<RecordBatch, Problem> {
    let mut fields: Vec<Field> = Vec::new();
    let mut arrays = Vec::new();
    for column in frame.columns() {
        let canonical = from_arrow(&bridge::from_polars(column.as_materialized_series())?)?;
        fields.push(canonical.kind.field(column.name()));
        arrays.push(canonical.array);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    let keys = KeySpec::plain((0..batch.num_columns()).collect()).encode_batch(&batch);
    let rows = u32::try_from(batch.num_rows()).map_err(|_| Problem::new("the query gives too many rows"))?;
    let mut order: Vec<u32> = (0..rows).collect();
    order.sort_by(|a, b| keys.get(*a as usize).cmp(keys.get(*b as usize)));
    Ok(compute::take_record_batch(&batch, &UInt32Array::from(order))?)
}
