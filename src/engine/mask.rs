//! Hiding the values of columns that the plan masks, keys included.

use counterfoil_model::{Difference, Finding};

const HIDDEN: &str = "[masked]";

/// What is hidden in one table.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Masked columns.
    columns: Vec<String>,
    /// For each key column, whether it is masked.
    key: Vec<bool>,
    /// For the whole row as a key (a bag): hide all of it when anything is masked.
    bag: bool,
}

impl Mask {
    /// The mask of a table: its masked columns, and the columns that its keys show.
    pub fn new(columns: Vec<String>, key: &[String]) -> Self {
        let hidden = |name: &String| columns.iter().any(|c| c == name);
        Self { key: key.iter().map(hidden).collect(), bag: key.is_empty() && !columns.is_empty(), columns }
    }

    /// Whether anything in this table is hidden.
    pub fn any(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Hides the values of a difference.
    pub fn difference(&self, difference: &mut Difference) {
        if !self.any() {
            return;
        }
        difference.key = self.key(&difference.key);
        if self.covers(difference.column.as_deref()) {
            hide(&mut difference.expected);
            hide(&mut difference.actual);
        }
    }

    /// Hides the values of a finding. A finding about no single column may quote any value, so it is hidden
    /// whole.
    pub fn finding(&self, finding: &mut Finding) {
        if !self.any() {
            return;
        }
        finding.key = finding.key.as_deref().map(|k| self.key(k));
        if finding.column.is_none() || self.covers(finding.column.as_deref()) {
            hide(&mut finding.expected);
            hide(&mut finding.actual);
            finding.message = "values are masked by the plan".into();
        } else if self.bag || self.key.contains(&true) {
            // Messages of other columns may name keys.
            finding.message = "key is masked by the plan".into();
        }
    }

    /// Columns may be named several at once (`a,b`).
    fn covers(&self, column: Option<&str>) -> bool {
        column.is_some_and(|c| c.split(',').any(|part| self.columns.iter().any(|m| m == part.trim())))
    }

    fn key(&self, key: &str) -> String {
        let Ok(serde_json::Value::Array(mut parts)) = serde_json::from_str(key) else {
            return format!("[\"{HIDDEN}\"]");
        };
        if self.bag || (parts.len() != self.key.len() && self.any()) {
            return format!("[\"{HIDDEN}\"]");
        }
        if !self.key.contains(&true) {
            return key.to_owned();
        }
        for (part, hidden) in parts.iter_mut().zip(&self.key) {
            if *hidden {
                *part = HIDDEN.into();
            }
        }
        serde_json::Value::Array(parts).to_string()
    }
}

fn hide(text: &mut Option<String>) {
    if text.is_some() {
        *text = Some(HIDDEN.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_keys_and_cells_never_show() {
        let mask = Mask::new(vec!["email".into()], &["email".into(), "n".into()]);
        let mut difference = Difference {
            key: r#"["a@b.c",3]"#.into(),
            outcome: counterfoil_model::FindingKind::Changed,
            column: Some("email".into()),
            expected: Some("a@b.c".into()),
            actual: None,
            rule: None,
        };
        mask.difference(&mut difference);
        assert_eq!(difference.key, r#"["[masked]",3]"#);
        assert_eq!(difference.expected.as_deref(), Some("[masked]"));
        assert_eq!(difference.actual, None, "null stays null: that it is null is the finding");
    }
}
