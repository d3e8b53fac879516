//! The checks of a table.

use counterfoil_model::plan::{CheckPlan, Spanned};
use serde_json::Value;

use crate::fields::{Fields, Walk};
use crate::json::json;
use crate::tree::{Key, Kind, Node};

/// The checks of a table whose plan names none.
pub(crate) const USUAL: [&str; 2] = ["row_count", "row_diff"];

impl Walk<'_> {
    /// A table's checks; the usual ones where it names none.
    pub(crate) fn checks(&mut self, fields: &Fields<'_>, table: &Spanned<String>) -> Vec<CheckPlan> {
        let Some(node) = fields.get("checks") else {
            let usual = USUAL.iter().map(|name| CheckPlan {
                validator: Spanned::new((*name).to_owned(), table.origin),
                ..CheckPlan::default()
            });
            return usual.collect();
        };
        let what = "a list of checks";
        let Kind::List(items) = &node.kind else {
            self.expected(node, what);
            return Vec::new();
        };
        if items.is_empty() {
            let help = format!("leave `checks` out for {}", crate::fields::list(USUAL, "and"));
            self.problems.advise(node.place, format!("expected {what}, found an empty list"), help);
        }
        let mut checks: Vec<CheckPlan> = Vec::new();
        for item in items {
            let Some(check) = self.check(item) else { continue };
            if checks.iter().any(|c| c.validator.value == check.validator.value && c.options == check.options)
            {
                let message =
                    format!("the check `{}` stands here twice, with the same options", check.validator.value);
                self.problems.add(item.place, message);
            }
            checks.push(check);
        }
        checks
    }

    /// `name` or `{name: options}`.
    fn check(&mut self, node: &Node) -> Option<CheckPlan> {
        match &node.kind {
            Kind::Scalar { .. } => {
                let name = self.text_or(node, "a check's name")?;
                self.validator(node.place, &name.value);
                Some(CheckPlan { validator: name, ..CheckPlan::default() })
            }
            Kind::Map(entries) if entries.len() == 1 => {
                entries.first().map(|(key, value)| self.long(key, value))
            }
            _ => {
                let help = "write each check as an item of its own: `- orphan: { column: user_id }`";
                self.problems.advise(
                    node.place,
                    format!("expected a check, `name` or `name: {{ options }}`, found {}", several(node)),
                    help,
                );
                None
            }
        }
    }

    fn validator(&mut self, place: crate::source::Place, name: &str) -> Option<&[String]> {
        let known = self.known.validators;
        let found = known.iter().find(|(known, _)| known == name);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            self.unknown(place, "check", name, &names);
        }
        found.map(|(_, options)| options.as_slice())
    }

    fn long(&mut self, key: &Key, node: &Node) -> CheckPlan {
        let validator = self.spanned(key.text.clone(), key.place);
        let mut check = CheckPlan { validator, ..CheckPlan::default() };
        let known = self.validator(key.place, &key.text).map(<[String]>::to_vec);
        if node.is_null() {
            return check;
        }
        if !matches!(node.kind, Kind::Map(_)) {
            self.expected(node, "a mapping of options");
            return check;
        }
        let mut options = serde_json::Map::new();
        for (key, value) in node.entries() {
            if key.text == "allow_empty" {
                check.allow_empty = self.boolean(value).unwrap_or(false);
                continue;
            }
            if let Some(known) = known.as_ref().filter(|known| !known.contains(&key.text)) {
                let also = known.iter().map(String::as_str).chain(["allow_empty"]).collect::<Vec<_>>();
                self.unknown(key.place, &format!("option of {}", check.validator.value), &key.text, &also);
            }
            options.insert(key.text.clone(), json(value, self.problems));
        }
        check.options = if options.is_empty() { Value::Null } else { Value::Object(options) };
        check
    }
}

fn several(node: &Node) -> String {
    match node.entries().len() {
        0 => node.describe(),
        n => format!("a mapping of {n}"),
    }
}
