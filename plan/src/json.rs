//! YAML as JSON.

use serde_json::Value;

use crate::problem::Problems;
use crate::scalar::Scalar;
use crate::tree::{Kind, Node};

/// A value as JSON; numbers that JSON doesn't know are problems.
pub(crate) fn json(node: &Node, problems: &mut Problems) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(|item| json(item, problems)).collect(),
        Kind::Map(entries) => Value::Object(
            entries.iter().map(|(key, value)| (key.text.clone(), json(value, problems))).collect(),
        ),
        Kind::Scalar { .. } => match node.scalar() {
            None | Some(Scalar::Null) => Value::Null,
            Some(Scalar::Bool(value)) => value.into(),
            Some(Scalar::Text(text)) => text.into(),
            Some(Scalar::Int(n)) => i64::try_from(n)
                .map(Value::from)
                .or_else(|_| u64::try_from(n).map(Value::from))
                .unwrap_or_default(),
            Some(Scalar::Float(n)) => {
                serde_json::Number::from_f64(n).map(Value::Number).unwrap_or_else(|| {
                    problems.add(node.place, format!("expected a finite number, found {}", node.describe()));
                    Value::Null
                })
            }
        },
    }
}
