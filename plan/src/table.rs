//! A table's mapping and columns.

use counterfoil_model::plan::{ColumnPlan, Dedup, Spanned, TablePlan};

use crate::fields::{Fields, Walk};
use crate::scalar::Scalar;
use crate::tree::{Key, Kind, Node};

const KEYS: [&str; 11] = [
    "from",
    "sql",
    "key",
    "match",
    "dedup",
    "where",
    "explode",
    "columns",
    "checks",
    "ignore",
    "allow_empty",
];
const COLUMN_KEYS: [&str; 9] =
    ["expect", "as", "surrogate", "references", "trim", "case", "unicode", "tolerance", "bits"];

impl Walk<'_> {
    /// All tables.
    pub(crate) fn tables(&mut self, fields: &Fields<'_>) -> Vec<TablePlan> {
        let Some(node) = self.required(fields, "tables") else { return Vec::new() };
        let entries = self.named(node, "a mapping from the target's tables");
        if matches!(node.kind, Kind::Map(_)) && entries.is_empty() {
            self.problems.add(node.place, "there is no table");
        }
        entries.iter().map(|(key, value)| self.table_plan(key, value)).collect()
    }

    fn table_plan(&mut self, key: &Key, node: &Node) -> TablePlan {
        let name = self.spanned(key.text.clone(), key.place);
        let mut table = TablePlan { name, ..TablePlan::default() };
        let Some(fields) = self.fields(node, key.place, &KEYS) else { return table };
        self.sources_of(&fields, &mut table);
        table.key = fields.get("key").map(|node| self.texts(node));
        table.match_columns = fields.get("match").map(|node| self.some_texts(node)).unwrap_or_default();
        table.dedup = fields.get("dedup").and_then(|node| self.dedup(node));
        table.filter = fields.get("where").and_then(|node| self.expression(node));
        table.explode = fields.get("explode").and_then(|node| self.text(node));
        if let Some(node) = fields.get("columns") {
            let entries = self.named(node, "a mapping from the table's columns");
            table.columns = entries.iter().map(|(key, value)| self.column(key, value)).collect();
        }
        table.checks = self.checks(&fields, &table.name);
        table.ignore = fields.get("ignore").map(|node| self.ignored(node)).unwrap_or_default();
        table.allow_empty = self.flag(&fields, "allow_empty");
        self.surrogates(&fields, &table);
        table
    }

    /// `from` or `sql`, one of them.
    fn sources_of(&mut self, fields: &Fields<'_>, table: &mut TablePlan) {
        if let Some(node) = fields.get("from") {
            table.from = self.some_texts(node);
            let items = if let Kind::List(items) = &node.kind {
                items.as_slice()
            } else {
                std::slice::from_ref(node)
            };
            for item in items {
                if let Some(Scalar::Text(text)) = item.scalar().filter(|s| *s != Scalar::Text("")) {
                    self.connection_dot(item.place, text);
                }
            }
        }
        table.sql = fields.get("sql").and_then(|node| self.text(node));
        match (fields.key("from"), fields.key("sql")) {
            (None, None) => {
                let message = format!("table `{}` has neither `from` nor `sql`", table.name.value);
                self.problems.advise(
                    fields.place,
                    message,
                    "say what it comes from: `from: connection.table`",
                );
            }
            (Some(_), Some(sql)) => {
                let message = format!("table `{}` has both `from` and `sql`", table.name.value);
                self.problems.advise(sql.place, message, "keep one: the SQL names its sources itself");
            }
            _ => {}
        }
    }

    /// Texts, at least one.
    fn some_texts(&mut self, node: &Node) -> Vec<Spanned<String>> {
        if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
            self.expected(node, "text or a list of texts");
        }
        self.texts(node)
    }

    /// A SQL expression; a bare number or truth value is one too.
    fn expression(&mut self, node: &Node) -> Option<Spanned<String>> {
        match (&node.kind, node.scalar()) {
            (Kind::Scalar { text, .. }, Some(Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_))) => {
                Some(self.spanned(text.clone(), node.place))
            }
            (_, Some(Scalar::Null)) => {
                self.problems.advise(
                    node.place,
                    "expected a SQL expression, found nothing",
                    "for SQL's null write \"NULL\"",
                );
                None
            }
            _ => self.text_or(node, "text (a SQL expression)"),
        }
    }

    fn dedup(&mut self, node: &Node) -> Option<Dedup> {
        let fields = self.fields(node, node.place, &["by", "keep"])?;
        let mut dedup = Dedup::default();
        if let Some(by) = self.required(&fields, "by").and_then(|node| self.expression(node)) {
            dedup.by = by;
        }
        if let Some(node) = fields.get("keep") {
            let what = "`first(column)` or `last(column)`";
            if let Some(text) = self.text_or(node, what) {
                match keep(&text.value) {
                    Some((last, column)) => {
                        dedup.keep_last = last;
                        dedup.keep_column = Some(self.spanned(column.to_owned(), node.place));
                    }
                    None => self.expected(node, what),
                }
            }
        }
        Some(dedup)
    }

    fn column(&mut self, key: &Key, node: &Node) -> ColumnPlan {
        let mut column =
            ColumnPlan { name: self.spanned(key.text.clone(), key.place), ..ColumnPlan::default() };
        if !matches!(node.kind, Kind::Map(_)) {
            if matches!(node.kind, Kind::List(_)) {
                self.expected(node, "text (a SQL expression) or a mapping");
            } else {
                column.expect = self.expression(node);
            }
            return column;
        }
        let Some(fields) = self.fields(node, key.place, &COLUMN_KEYS) else { return column };
        column.expect = fields.get("expect").and_then(|node| self.expression(node));
        column.read = fields.get("as").and_then(|node| self.read_as(node));
        column.surrogate = self.flag(&fields, "surrogate");
        column.references = fields.get("references").and_then(|node| self.table(node));
        self.settings(&fields, &mut column);
        column
    }

    fn read_as(&mut self, node: &Node) -> Option<Spanned<counterfoil_model::ReadAs>> {
        let text = self.text(node)?;
        match text.value.parse() {
            Ok(read) => Some(self.spanned(read, node.place)),
            Err(message) => {
                self.problems.add(node.place, message);
                None
            }
        }
    }

    fn settings(&mut self, fields: &Fields<'_>, column: &mut ColumnPlan) {
        let settings = &mut column.settings;
        settings.trim = self.flag(fields, "trim");
        if let Some(node) = fields.get("case") {
            settings.ignore_case =
                self.word(node, &[("exact", false), ("insensitive", true)]).unwrap_or_default();
        }
        if let Some(node) = fields.get("unicode") {
            settings.unicode = self.unicode(node);
        }
        if let Some(node) = fields.get("tolerance") {
            settings.tolerance = self.tolerance(node);
        }
        if let Some(node) = fields.get("bits") {
            settings.exact_bits = self.word(node, &[("exact", true)]).unwrap_or_default();
            if let Some(tolerance) = fields.key("tolerance").filter(|_| settings.exact_bits) {
                self.problems.advise(
                    tolerance.place,
                    "`tolerance` and `bits: exact` contradict each other",
                    "keep one",
                );
            }
        }
    }

    fn tolerance(&mut self, node: &Node) -> Option<f64> {
        let number = match node.scalar() {
            #[allow(clippy::cast_precision_loss)]
            Some(Scalar::Int(n)) => Some(n as f64),
            Some(Scalar::Float(n)) => Some(n),
            _ => None,
        };
        let fine = number.filter(|n| n.is_finite() && *n >= 0.0);
        if fine.is_none() {
            self.expected(node, "a number, 0 or greater");
        }
        fine
    }

    /// `match` and `surrogate` need each other.
    fn surrogates(&mut self, fields: &Fields<'_>, table: &TablePlan) {
        let surrogate = table.columns.iter().position(|c| c.surrogate);
        let columns = fields.get("columns").map(Node::entries).unwrap_or_default();
        match (fields.key("match"), surrogate.and_then(|at| columns.get(at))) {
            (Some(key), None) => {
                let help = "say which column the target minted: `columns: { id: { surrogate: true } }`";
                self.problems.advise(key.place, "`match` without a surrogate column", help);
            }
            (None, Some((key, _))) => {
                let message = format!("surrogate `{}`, but no `match` to pair rows by", key.text);
                self.problems.advise(
                    key.place,
                    message,
                    "name the columns that tell rows apart: `match: email`",
                );
            }
            _ => {}
        }
    }
}

/// `first(created_at)`: whether it is the last, and the column.
fn keep(text: &str) -> Option<(bool, &str)> {
    let (word, rest) = text.trim().split_once('(')?;
    let column = rest.strip_suffix(')')?.trim();
    let last = match word.trim() {
        "first" => false,
        "last" => true,
        _ => return None,
    };
    (!column.is_empty()).then_some((last, column))
}
