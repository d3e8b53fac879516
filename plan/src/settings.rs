//! Phases, gate, waivers, report and what is left out on purpose.

use counterfoil_model::FindingKind;
use counterfoil_model::plan::{Gate, Ignore, Phase, ReportSettings, Sampling, Spanned, Waiver};
use jiff::civil::Date;
use serde_json::Value;

use crate::fields::{Fields, Walk};
use crate::json::json;
use crate::scalar::Scalar;
use crate::source::Place;
use crate::tree::{Key, Kind, Node};

/// The renderings that a report can have.
pub(crate) const FORMATS: [&str; 4] = ["json", "markdown", "html", "junit"];
/// The renderings of a plan that names none.
const USUAL_FORMATS: [&str; 4] = FORMATS;

impl Walk<'_> {
    /// A gate; what it doesn't say is as in `base`.
    pub(crate) fn gate(&mut self, node: &Node, base: Gate) -> Gate {
        let mut gate = base;
        let Some(fields) = self.fields(node, node.place, &["pass_rate", "inconclusive"]) else { return gate };
        if let Some(rate) = fields.get("pass_rate").and_then(|node| self.share(node)) {
            gate.pass_rate = rate;
        }
        if let Some(node) = fields.get("inconclusive") {
            let blocks = self.word(node, &[("block", true), ("allow", false)]);
            gate.inconclusive_blocks = blocks.unwrap_or(true);
        }
        gate
    }

    /// All phases; their gates begin as the plan's.
    pub(crate) fn phases(&mut self, node: &Node, gate: Gate) -> Vec<Phase> {
        let entries = self.named(node, "a mapping from phases");
        entries.iter().map(|(key, value)| self.phase(key, value, gate)).collect()
    }

    fn phase(&mut self, key: &Key, node: &Node, gate: Gate) -> Phase {
        let mut phase = Phase { name: self.spanned(key.text.clone(), key.place), ..Phase::default() };
        if node.is_null() {
            return phase;
        }
        let Some(fields) = self.fields(node, key.place, &["sampling", "gate"]) else { return phase };
        phase.sampling = fields.get("sampling").and_then(|node| self.sampling(node));
        phase.gate = fields.get("gate").map(|node| self.gate(node, gate));
        phase
    }

    fn sampling(&mut self, node: &Node) -> Option<Sampling> {
        let fields = self.fields(node, node.place, &["rate", "keys"])?;
        match (fields.get("rate"), fields.get("keys")) {
            (Some(rate), None) => {
                let share = self.share(rate)?;
                if share == 0.0 {
                    self.problems.advise(
                        rate.place,
                        "a sample of 0% is no sample",
                        "leave `sampling` out for all rows",
                    );
                }
                Some(Sampling::Rate(share))
            }
            (None, Some(keys)) => {
                let text = self.text_or(keys, "text: `target` or a file of keys")?.value;
                Some(if text == "target" { Sampling::TargetKeys } else { Sampling::Keys(text) })
            }
            (Some(_), Some(_)) => {
                self.problems.advise(node.place, "`rate` and `keys` exclude each other", "keep one");
                None
            }
            (None, None) => {
                self.problems.advise(
                    node.place,
                    "`rate` or `keys` is missing",
                    "for example `sampling: { rate: 1% }`",
                );
                None
            }
        }
    }

    /// All waivers.
    pub(crate) fn waivers(&mut self, node: &Node) -> Vec<Waiver> {
        let Kind::List(items) = &node.kind else {
            self.expected(node, "a list of waivers");
            return Vec::new();
        };
        let mut waivers: Vec<Waiver> = Vec::new();
        for item in items {
            let Some((waiver, id)) = self.waiver(item) else { continue };
            if waivers.iter().any(|w| w.id.value == waiver.id.value && !w.id.value.is_empty()) {
                self.problems.add(id, format!("a second waiver `{}`", waiver.id.value));
            }
            waivers.push(waiver);
        }
        waivers
    }

    fn waiver(&mut self, node: &Node) -> Option<(Waiver, Place)> {
        let fields = self.fields(node, node.place, &["id", "match", "owner", "reason", "until"])?;
        let mut waiver = Waiver::default();
        let id = self.required(&fields, "id");
        waiver.id = id.and_then(|node| self.text(node)).unwrap_or_default();
        waiver.owner =
            self.required(&fields, "owner").and_then(|n| self.text(n)).map(|t| t.value).unwrap_or_default();
        waiver.reason =
            self.required(&fields, "reason").and_then(|n| self.text(n)).map(|t| t.value).unwrap_or_default();
        waiver.until = fields.get("until").and_then(|node| self.date(node));
        if let Some(node) = self.required(&fields, "match") {
            self.waived(node, &mut waiver);
        }
        Some((waiver, id.map_or(node.place, |id| id.place)))
    }

    fn waived(&mut self, node: &Node, waiver: &mut Waiver) {
        let Some(fields) = self.fields(node, node.place, &["table", "column", "outcome", "key"]) else {
            return;
        };
        if node.entries().is_empty() {
            let help = "say what it waives: `match: { table: users, column: bio, outcome: changed }`";
            self.problems.advise(node.place, "a waiver that matches everything", help);
        }
        waiver.table = fields.get("table").and_then(|node| self.table(node)).map(|t| t.value);
        waiver.column = fields.get("column").and_then(|node| self.text(node)).map(|t| t.value);
        waiver.outcome = fields.get("outcome").and_then(|node| self.outcome(node));
        waiver.key = fields.get("key").and_then(|node| self.key(node));
    }

    fn outcome(&mut self, node: &Node) -> Option<FindingKind> {
        let text = self.text(node)?.value;
        let found = serde_json::from_value(Value::String(text.clone())).ok();
        if found.is_none() {
            self.unknown(node.place, "outcome", &text, &outcomes());
        }
        found
    }

    /// A key: a list of values, one value, or the JSON array that reports show.
    fn key(&mut self, node: &Node) -> Option<String> {
        let value = json(node, self.problems);
        let array = match &value {
            Value::String(text) if text.trim_start().starts_with('[') => serde_json::from_str(text).ok(),
            Value::Array(_) => Some(value),
            Value::Object(_) | Value::Null => None,
            _ => Some(Value::Array(vec![value])),
        };
        let parts = array.as_ref().and_then(Value::as_array).filter(|parts| !parts.is_empty());
        if parts.is_none_or(|parts| parts.iter().any(|p| p.is_object() || p.is_array())) {
            self.expected(node, "a key: a value, or a list of values such as [u17]");
            return None;
        }
        array.map(|array| array.to_string())
    }

    fn date(&mut self, node: &Node) -> Option<Spanned<String>> {
        let what = "a date such as 2026-12-31";
        let text = self.text_or(node, what)?;
        if text.value.len() != 10 || text.value.parse::<Date>().is_err() {
            self.expected(node, what);
        }
        Some(text)
    }

    /// The report's settings.
    pub(crate) fn report(&mut self, top: &Fields<'_>) -> ReportSettings {
        let usual = USUAL_FORMATS.iter().map(|f| Spanned::new((*f).to_owned(), Default::default())).collect();
        let mut report = ReportSettings { formats: usual, ..ReportSettings::default() };
        let Some(node) = top.get("report") else { return report };
        let Some(fields) = self.fields(node, node.place, &["formats", "mask", "max_findings"]) else {
            return report;
        };
        if let Some(node) = fields.get("formats") {
            report.formats = self.each(node, |walk, place, text| {
                if !FORMATS.contains(&text) {
                    walk.unknown(place, "format", text, &FORMATS);
                }
            });
        }
        if let Some(node) = fields.get("mask") {
            report.mask = self.each(node, Self::masked);
        }
        report.max_findings = fields.get("max_findings").and_then(|node| {
            let number =
                if let Some(Scalar::Int(n)) = node.scalar() { usize::try_from(n).ok() } else { None };
            if number.is_none() {
                self.expected(node, "a whole number, 0 or greater");
            }
            number
        });
        report
    }

    /// A list of texts, each looked at.
    fn each(&mut self, node: &Node, look: impl Fn(&mut Self, Place, &str)) -> Vec<Spanned<String>> {
        let Kind::List(items) = &node.kind else {
            self.expected(node, "a list of texts");
            return Vec::new();
        };
        for item in items {
            if let Some(Scalar::Text(text)) = item.scalar().filter(|s| *s != Scalar::Text("")) {
                look(self, item.place, text);
            }
        }
        self.texts(node)
    }

    /// `table.column`, of a table in the plan.
    fn masked(&mut self, place: Place, text: &str) {
        let parts = text.rsplit_once('.').filter(|(table, column)| !table.is_empty() && !column.is_empty());
        let Some((table, _)) = parts else {
            self.problems.add(place, format!("expected `table.column`, found `{text}`"));
            return;
        };
        let known = self
            .table_names
            .iter()
            .any(|t| text.strip_prefix(t.as_str()).is_some_and(|rest| rest.starts_with('.')));
        if !known {
            let tables = self.table_names.clone();
            self.unknown(place, "table", table, &tables);
        }
    }

    /// `{name: reason}`, every reason being given.
    pub(crate) fn ignored(&mut self, node: &Node) -> Vec<Ignore> {
        let mut ignored = Vec::new();
        for (key, value) in self.named(node, "a mapping from names to reasons") {
            let reason = self.text_or(value, "the reason in text").map(|t| t.value).unwrap_or_default();
            ignored.push(Ignore { name: self.spanned(key.text.clone(), key.place), reason });
        }
        ignored
    }
}

/// The names of all outcomes.
pub(crate) fn outcomes() -> Vec<String> {
    let schema = schemars::schema_for!(FindingKind);
    let names = schema.get("enum").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
