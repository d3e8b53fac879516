//! Which target columns there are, and what each should hold.

use std::collections::BTreeSet;

use counterfoil_model::names;
use counterfoil_model::plan::{ColumnPlan, Origin, Spanned};

use crate::error::{MappingError, Problem};
use crate::reference::{Reference, Root, Scope, shorten};
use crate::rows::Wanted;
use crate::syntax::{self, Parsed};
use crate::{By, Mapped, Request};

/// One target column.
pub(crate) struct Output {
    /// The column's name in the target.
    pub name: String,
    /// What the plan says of it, or the name where the plan says nothing.
    pub text: Spanned<String>,
    /// Where its values come from; `None` for a surrogate.
    pub parsed: Option<Parsed>,
    /// Why.
    pub by: By,
}

/// All columns: those that are mapped, and the names of those that nothing maps to.
#[derive(Default)]
pub(crate) struct Outputs {
    pub mapped: Vec<Output>,
    pub unmapped: Vec<String>,
}

impl Outputs {
    /// Everything that the columns refer to.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.mapped.iter().filter_map(|o| o.parsed.as_ref()).flat_map(Parsed::references)
    }

    /// The columns that are a bare field or path, with their places.
    pub(crate) fn bare(&self) -> (Vec<usize>, Vec<Wanted>) {
        let bare = |(at, output): (usize, &Output)| match &output.parsed {
            Some(Parsed::Bare(reference)) => {
                Some((at, Wanted { reference: reference.clone(), asker: output.text.clone() }))
            }
            _ => None,
        };
        self.mapped.iter().enumerate().filter_map(bare).unzip()
    }
}

/// Decides the columns: first as the plan lists them, then the target's others by name.
pub(crate) fn decide(request: &Request, scope: &Scope) -> Result<Outputs, MappingError> {
    let mut outputs = Outputs::default();
    for column in &request.plan.columns {
        check_target(request, column)?;
        outputs.mapped.push(planned(column, scope)?);
    }
    let planned: BTreeSet<&str> = request.plan.columns.iter().map(|c| c.name.value.as_str()).collect();
    let others: Vec<String> = match request.target {
        Some(facts) => facts.columns.iter().map(|c| c.name.clone()).collect(),
        None => scope.fields(),
    };
    for name in others.into_iter().filter(|name| !planned.contains(name.as_str())) {
        match by_name(&name, scope).map_err(|p| p.at(&request.plan.name))? {
            Some(reference) => outputs.mapped.push(named(name, reference, Origin::default())),
            None => outputs.unmapped.push(name),
        }
    }
    Ok(outputs)
}

fn check_target(request: &Request, column: &ColumnPlan) -> Result<(), MappingError> {
    let Some(facts) = request.target else { return Ok(()) };
    let name = &column.name;
    if facts.column(&name.value).is_some() {
        return Ok(());
    }
    let known: Vec<String> = facts.columns.iter().map(|c| c.name.clone()).collect();
    let hint = names::suggestion(&name.value, known.iter().map(String::as_str));
    let message =
        format!("the target table '{}' has no column '{}'{hint}", request.plan.name.value, name.value);
    Err(MappingError::at(name, message).with_help(format!("its columns: {}", shorten(&known))))
}

fn planned(column: &ColumnPlan, scope: &Scope) -> Result<Output, MappingError> {
    let name = column.name.value.clone();
    if column.surrogate {
        let text = Spanned::new(String::new(), column.name.origin);
        return Ok(Output { name, text, parsed: None, by: By::Surrogate });
    }
    if let Some(expect) = &column.expect {
        let parsed = syntax::parse(&expect.value, scope).map_err(|p| p.at(expect))?;
        return Ok(Output { name, text: expect.clone(), parsed: Some(parsed), by: By::Plan });
    }
    match by_name(&name, scope).map_err(|p| p.at(&column.name))? {
        Some(reference) => Ok(named(name, reference, column.name.origin)),
        None => {
            let fields = scope.fields();
            let hint = names::suggestion(&name, fields.iter().map(String::as_str));
            let message = format!("no source field pairs with column '{name}'{hint}");
            Err(MappingError::at(&column.name, message).with_help("say with 'expect' what it should hold"))
        }
    }
}

fn named(name: String, reference: Reference, origin: Origin) -> Output {
    let text = Spanned::new(reference.text.clone(), origin);
    Output { name, text, parsed: Some(Parsed::Bare(reference)), by: By::Name }
}

/// The field that pairs with a target column, in each source by itself: the same name, else the only one that
/// differs in nothing but case and underscores. Fields that counterfoil adds pair only with their own name.
fn by_name(name: &str, scope: &Scope) -> Result<Option<Reference>, Problem> {
    let mut positions = Vec::new();
    let mut found: Vec<&str> = Vec::new();
    for schema in scope.schemas() {
        let exact = schema.index_of(name).ok();
        let alike = |field: &str| !field.starts_with("__") && names::fold(field) == names::fold(name);
        let near: Vec<usize> =
            (0..schema.fields().len()).filter(|at| alike(schema.field(*at).name())).collect();
        let position = match (exact, near.as_slice()) {
            (Some(exact), _) => Some(exact),
            (None, []) => None,
            (None, [one]) => Some(*one),
            (None, several) => {
                let fields: Vec<&str> = several.iter().map(|at| schema.field(*at).name().as_str()).collect();
                return Err(ambiguous(name, &fields));
            }
        };
        found.extend(position.map(|at| schema.field(at).name().as_str()));
        positions.push(position);
    }
    let Some(first) = found.first() else { return Ok(None) };
    let text = if found.contains(&name) { name } else { first };
    Ok(Some(Reference { root: Root::Field(positions), path: Vec::new(), text: text.to_owned() }))
}

fn ambiguous(name: &str, fields: &[&str]) -> Problem {
    Problem::new(format!("column '{name}' pairs with several fields: {}", fields.join(", "))).with_help(
        format!("say under 'columns' which is meant: {name}: {}", fields.first().unwrap_or(&"field")),
    )
}

/// How the columns were mapped, for the report. `sources` are the names of the sources.
pub(crate) fn account(outputs: &Outputs, sources: &[String]) -> Vec<Mapped> {
    let missing = |output: &Output| {
        let mut missing = BTreeSet::new();
        for reference in output.parsed.iter().flat_map(Parsed::references) {
            if let Root::Field(positions) = &reference.root {
                missing.extend(
                    positions.iter().enumerate().filter(|(_, p)| p.is_none()).map(|(source, _)| source),
                );
            }
        }
        missing.into_iter().map(|source| sources[source].clone()).collect()
    };
    let mapped = |output: &Output| Mapped {
        column: output.name.clone(),
        from: output.text.value.clone(),
        by: output.by,
        origin: output.text.origin,
        missing_in: missing(output),
    };
    outputs.mapped.iter().map(mapped).collect()
}
