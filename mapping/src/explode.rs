//! Makes a row of each element of a list.

use std::sync::Arc;

use counterfoil_model::Value;
use counterfoil_model::plan::Spanned;

use crate::error::MappingError;
use crate::input::Input;
use crate::reference::{Reference, Root};
use crate::rows::{Item, Rows};

/// Replaces each row by one row per element of the list at a path. Where a list stands on the way
/// (`questions.answers`), each of its elements is looked into: the innermost elements become the rows.
pub(crate) fn explode(
    inputs: &[Input],
    rows: &[Rows],
    reference: &Reference,
    text: &Spanned<String>,
) -> Result<Vec<Rows>, MappingError> {
    let Root::Field(positions) = &reference.root else {
        return Err(MappingError::at(text, "'explode' takes a field of the source"));
    };
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    let mut exploded = Vec::new();
    for ((input, rows), position) in inputs.iter().zip(rows).zip(positions) {
        let mut result = Rows { picks: Vec::new(), items: Vec::new() };
        let column = position.map(|p| input.column(p)).transpose().map_err(|p| p.at(text))?;
        for pick in column.iter().flat_map(|_| &rows.picks) {
            let value = column.as_ref().map_or(Value::Null, |c| c.value(*pick as usize));
            let mut items = Vec::new();
            if let Err(wrong) = elements(value, &path, None, &mut items) {
                let key = input.row_key(*pick as usize);
                let message = format!(
                    "'{}' of row {} in {} is a {wrong}, not a list",
                    text.value,
                    shown(&key),
                    input.name
                );
                return Err(MappingError::at(text, message)
                    .with_help("only lists can be exploded; leave such rows out with 'where'"));
            }
            result.picks.extend(items.iter().map(|_| *pick));
            result.items.append(&mut items);
        }
        exploded.push(result);
    }
    Ok(exploded)
}

fn shown(key: &Value) -> String {
    key.to_json_text()
}

/// Collects the elements below a value; the error is the type found where a list should be.
fn elements(
    value: Value,
    path: &[&str],
    parent: Option<(Arc<Value>, i64)>,
    out: &mut Vec<Item>,
) -> Result<(), &'static str> {
    match (value, path.split_first()) {
        (Value::Null, _) => Ok(()),
        (Value::List(items), None) => {
            out.extend(items.into_iter().zip(0..).map(|(value, index)| Item {
                value,
                index,
                parent: parent.clone(),
            }));
            Ok(())
        }
        (Value::List(items), Some(_)) => {
            for (item, index) in items.into_iter().zip(0..) {
                let item = Arc::new(item);
                let below = below(&item, path)?;
                elements(below, &path[1..], Some((item, index)), out)?;
            }
            Ok(())
        }
        (value @ Value::Map(_), Some(_)) => elements(below(&value, path)?, &path[1..], parent, out),
        (other, _) => Err(other.type_name()),
    }
}

fn below(value: &Value, path: &[&str]) -> Result<Value, &'static str> {
    match value {
        Value::Map(_) => Ok(value.at_path(&path[..1]).cloned().unwrap_or(Value::Null)),
        Value::Null => Ok(Value::Null),
        other => Err(other.type_name()),
    }
}
