//! SQL text into a syntax tree whose names are resolved, checked before polars sees it.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, Ident, Statement, Visit, visit_expressions, visit_expressions_mut};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::Token;

use crate::error::Problem;
use crate::reference::{Reference, Scope};

/// Functions that make one value of many rows.
const AGGREGATES: [&str; 29] = [
    "avg",
    "corr",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "first",
    "last",
    "max",
    "median",
    "min",
    "quantile_cont",
    "quantile_disc",
    "stdev",
    "stddev",
    "stdev_samp",
    "stddev_samp",
    "string_agg",
    "listagg",
    "group_concat",
    "sum",
    "total",
    "var",
    "variance",
    "var_samp",
    "array_agg",
    "unnest",
    "columns",
    "any_value",
];

/// An expression with its names resolved.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    /// Nothing but a name or a path.
    Bare(Reference),
    /// SQL whose identifiers are the texts of these references.
    Sql { expression: Box<Expr>, references: Vec<Reference> },
}

impl Parsed {
    /// Everything that the expression refers to.
    pub(crate) fn references(&self) -> &[Reference] {
        match self {
            Self::Bare(reference) => std::slice::from_ref(reference),
            Self::Sql { references, .. } => references,
        }
    }
}

/// Reads an expression over the names of a scope.
pub(crate) fn parse(text: &str, scope: &Scope) -> Result<Parsed, Problem> {
    let text = text.trim();
    if scope.field(text).is_some() {
        return scope.resolve(&[text.to_owned()]).map(Parsed::Bare);
    }
    if let Some(parts) = crate::reference::bare_parts(text) {
        return scope.resolve(&parts).map(Parsed::Bare);
    }
    let mut expression = parse_expression(text)?;
    if let Some(parts) = name_parts(&expression) {
        return scope.resolve(&parts).map(Parsed::Bare);
    }
    check_row_by_row(&expression)?;
    let references = resolve_names(&mut expression, scope)?;
    crate::guards::guard_expression(&mut expression);
    Ok(Parsed::Sql { expression: Box::new(expression), references })
}

fn parser<'a>() -> Parser<'a> {
    Parser::new(&GenericDialect {})
        .with_options(ParserOptions { trailing_commas: true, ..Default::default() })
}

fn parse_expression(text: &str) -> Result<Expr, Problem> {
    let wrong = |e: ParserError| Problem::new(format!("this is not a SQL expression: {}", tidy(&e)));
    let quoted = quote_numbered_paths(text);
    let mut parser = parser().try_with_sql(&quoted).map_err(wrong)?;
    let expression = parser.parse_expr().map_err(wrong)?;
    match parser.peek_token().token {
        Token::EOF => Ok(expression),
        token => Err(Problem::new(format!(
            "this is not a SQL expression: unexpected '{token}' after '{expression}'"
        ))),
    }
}

/// Reads one query.
pub(crate) fn parse_query(text: &str) -> Result<Statement, Problem> {
    let wrong = |e: ParserError| Problem::new(format!("this is not a SQL query: {}", tidy(&e)));
    let statements = parser().try_with_sql(text).map_err(wrong)?.parse_statements().map_err(wrong)?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([statement @ Statement::Query(_)]) => Ok(statement),
        _ => Err(Problem::new("'sql' takes one SELECT query")),
    }
}

fn tidy(error: &ParserError) -> String {
    let text = error.to_string();
    let text = text.trim_start_matches("sql parser error: ");
    text.replace(" at Line: 1, Column: ", " at character ")
}

/// The parts of a name, if the expression is nothing else.
pub(crate) fn name_parts(expression: &Expr) -> Option<Vec<String>> {
    match expression {
        Expr::Identifier(name) => Some(vec![name.value.clone()]),
        Expr::CompoundIdentifier(names) => Some(names.iter().map(|n| n.value.clone()).collect()),
        _ => None,
    }
}

fn resolve_names(expression: &mut Expr, scope: &Scope) -> Result<Vec<Reference>, Problem> {
    let mut references: Vec<Reference> = Vec::new();
    let flow = visit_expressions_mut(expression, |inner: &mut Expr| {
        let Some(parts) = name_parts(inner) else { return ControlFlow::Continue(()) };
        match scope.resolve(&split_numbered(parts, scope)) {
            Ok(reference) => {
                *inner = Expr::Identifier(Ident::with_quote('"', column_name(&reference.text)));
                if !references.contains(&reference) {
                    references.push(reference);
                }
                ControlFlow::Continue(())
            }
            Err(problem) => ControlFlow::Break(problem),
        }
    });
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(references),
    }
}

/// The name of a reference's column in polars, which reads `^...$` and `*` as patterns.
pub(crate) fn column_name(text: &str) -> String {
    if text.starts_with('^') || text.contains('*') {
        format!("field {}", text.replace('*', "?"))
    } else {
        text.into()
    }
}

/// Paths with list positions (`answers.0.text`) can't be parsed as SQL, so they are quoted whole.
fn quote_numbered_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => quoted_length(rest, first),
            c if c.is_alphabetic() || c == '_' => path_length(rest),
            c if c.is_ascii_digit() => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '.')).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        let numbered = token.split('.').skip(1).any(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        if numbered && (first.is_alphabetic() || first == '_') {
            out.extend(['"'].into_iter().chain(token.chars()).chain(['"']));
        } else {
            out.push_str(token);
        }
        rest = tail;
    }
    out
}

fn quoted_length(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |at| at + 2)
}

fn path_length(text: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    let end = text.find(|c: char| !word(c)).unwrap_or(text.len());
    text[..end].trim_end_matches('.').len()
}

/// Undoes [`quote_numbered_paths`] for names that are no field.
fn split_numbered(parts: Vec<String>, scope: &Scope) -> Vec<String> {
    match parts.as_slice() {
        [one] if scope.field(one).is_none() => match crate::reference::bare_parts(one) {
            Some(split) => split,
            None => parts,
        },
        _ => parts,
    }
}

/// Every row must give one value, so nothing may count over many rows.
fn check_row_by_row(query: &Expr) -> Result<(), Problem> {
    let flow = visit_expressions(query, |inner: &Expr| {
        let checked = match inner {
            Expr::Function(function) => check_function(function),
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                Err(Problem::new("an expression can't hold a subquery")
                    .with_help("'sql' takes a whole query"))
            }
            _ => Ok(()),
        };
        checked.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    });
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn check_function(function: &Function) -> Result<(), Problem> {
    let written = function.name.to_string();
    let name = written.to_ascii_lowercase();
    if function.over.is_none() && AGGREGATES.contains(&name.as_str()) {
        return Err(Problem::new(format!(
            "'{written}' makes one value of many rows, and a column needs one for each"
        ))
        .with_help("add an OVER clause, or use 'sql' for a whole query"));
    }
    Ok(())
}

/// Whether a division occurs, which may give infinity.
pub(crate) fn divides(expression: &Expr) -> bool {
    visit_expressions(expression, |inner: &Expr| match inner {
        Expr::Function(function) if function.name.to_string() == crate::checked::DIVIDE => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Whether a text in the query is a time with more than six places of a second.
pub(crate) fn names_nanoseconds<V: Visit>(query: &V) -> bool {
    let fine = |text: &str| {
        let fraction = text.rsplit_once('.').map_or("", |(_, rest)| rest);
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        digits > 6 && text.as_bytes().get(4) == Some(&b'-')
    };
    visit_expressions(query, |inner: &Expr| match inner {
        Expr::Value(value) if value.clone().into_string().is_some_and(|text| fine(&text)) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}
