//! `plan.resolved.yaml`: the plan as it was understood, with all defaults and no secrets, in one form.

use counterfoil_model::plan::{
    CheckPlan, ColumnPlan, Gate, Ignore, NullVsEmpty, Phase, Plan, Sampling, Spanned, TablePlan, Unicode,
    Waiver,
};
use serde_json::Value;

/// A value on its way out.
enum Out {
    /// Text.
    Text(String),
    /// A number, `true`, `false` or `null`, as it is written.
    Bare(String),
    /// A list.
    List(Vec<Out>),
    /// A mapping, in order.
    Map(Entries),
}

/// A mapping's keys and values.
#[derive(Default)]
struct Entries(Vec<(String, Out)>);

impl Entries {
    fn put(&mut self, key: &str, value: Out) {
        self.0.push((key.to_owned(), value));
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(key, Out::Text(value.to_owned()));
        }
    }

    fn spanned(&mut self, key: &str, value: Option<&Spanned<String>>) {
        self.text(key, value.map(|v| v.value.as_str()));
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.put(key, Out::Bare("true".into()));
        }
    }

    /// A list or mapping, unless it is empty.
    fn some(&mut self, key: &str, value: Out) {
        if !matches!(&value, Out::List(items) if items.is_empty())
            && !matches!(&value, Out::Map(entries) if entries.0.is_empty())
        {
            self.put(key, value);
        }
    }
}

/// The plan as YAML.
pub(crate) fn yaml(plan: &Plan) -> String {
    let mut out = String::new();
    write_map(&mut out, &top(plan), 0);
    out
}

fn top(plan: &Plan) -> Entries {
    let mut top = Entries::default();
    top.put("version", Out::Bare("1".into()));
    top.text("name", Some(&plan.name));
    let connections = plan.connections.iter().map(|c| {
        let mut connection = Entries::default();
        connection.text("url", Some(&c.shown));
        (c.name.clone(), Out::Map(connection))
    });
    top.put("connections", Out::Map(Entries(connections.collect())));
    top.text("target", Some(&plan.target.value));
    top.put("defaults", Out::Map(defaults(plan)));
    let tables = plan.tables.iter().map(|t| (t.name.value.clone(), Out::Map(table(t))));
    top.put("tables", Out::Map(Entries(tables.collect())));
    let phases = plan.phases.iter().map(|p| (p.name.value.clone(), Out::Map(phase(p))));
    top.some("phases", Out::Map(Entries(phases.collect())));
    top.some("waivers", Out::List(plan.waivers.iter().map(|w| Out::Map(waiver(w))).collect()));
    top.put("gate", Out::Map(gate(&plan.gate)));
    let mut report = Entries::default();
    report.put("formats", texts(&plan.report.formats));
    report.some("mask", texts(&plan.report.mask));
    if let Some(most) = plan.report.max_findings {
        report.put("max_findings", Out::Bare(most.to_string()));
    }
    top.put("report", Out::Map(report));
    top.some("ignore", ignored(&plan.ignore));
    top
}

fn defaults(plan: &Plan) -> Entries {
    let mut defaults = Entries::default();
    let zone = plan.defaults.timezone.as_ref().map_or("UTC", |zone| &zone.value);
    defaults.text("timezone", Some(zone));
    let null_vs_empty = match plan.defaults.null_vs_empty {
        NullVsEmpty::Distinct => "distinct",
        NullVsEmpty::Equal => "equal",
    };
    defaults.text("null_vs_empty", Some(null_vs_empty));
    defaults.text("unicode", Some(unicode(plan.defaults.unicode)));
    defaults
}

fn unicode(unicode: Unicode) -> &'static str {
    match unicode {
        Unicode::Exact => "exact",
        Unicode::Nfc => "nfc",
    }
}

fn texts(texts: &[Spanned<String>]) -> Out {
    Out::List(texts.iter().map(|t| Out::Text(t.value.clone())).collect())
}

fn ignored(ignored: &[Ignore]) -> Out {
    Out::Map(Entries(ignored.iter().map(|i| (i.name.value.clone(), Out::Text(i.reason.clone()))).collect()))
}

fn table(table: &TablePlan) -> Entries {
    let mut out = Entries::default();
    out.some("from", texts(&table.from));
    out.spanned("sql", table.sql.as_ref());
    if let Some(key) = &table.key {
        out.put("key", texts(key));
    }
    out.some("match", texts(&table.match_columns));
    if let Some(dedup) = &table.dedup {
        let mut entries = Entries::default();
        entries.text("by", Some(&dedup.by.value));
        if let Some(column) = &dedup.keep_column {
            let word = if dedup.keep_last { "last" } else { "first" };
            entries.text("keep", Some(&format!("{word}({})", column.value)));
        }
        out.put("dedup", Out::Map(entries));
    }
    out.spanned("where", table.filter.as_ref());
    out.spanned("explode", table.explode.as_ref());
    let columns = table.columns.iter().map(|c| (c.name.value.clone(), Out::Map(column(c))));
    out.some("columns", Out::Map(Entries(columns.collect())));
    out.some("checks", Out::List(table.checks.iter().map(check).collect()));
    out.some("ignore", ignored(&table.ignore));
    out.flag("allow_empty", table.allow_empty);
    out
}

fn column(column: &ColumnPlan) -> Entries {
    let mut out = Entries::default();
    out.spanned("expect", column.expect.as_ref());
    out.text("as", column.read.as_ref().map(|r| r.value.to_string()).as_deref());
    out.flag("surrogate", column.surrogate);
    out.spanned("references", column.references.as_ref());
    out.flag("trim", column.settings.trim);
    out.text("case", column.settings.ignore_case.then_some("insensitive"));
    out.text(
        "unicode",
        (column.settings.unicode != Unicode::Exact).then(|| unicode(column.settings.unicode)),
    );
    if let Some(tolerance) = column.settings.tolerance {
        out.put("tolerance", number(tolerance));
    }
    out.text("bits", column.settings.exact_bits.then_some("exact"));
    out
}

fn check(check: &CheckPlan) -> Out {
    let mut options = Entries::default();
    for (name, value) in check.options.as_object().into_iter().flatten() {
        options.put(name, json(value));
    }
    options.flag("allow_empty", check.allow_empty);
    if options.0.is_empty() {
        return Out::Text(check.validator.value.clone());
    }
    Out::Map(Entries(vec![(check.validator.value.clone(), Out::Map(options))]))
}

fn phase(phase: &Phase) -> Entries {
    let mut out = Entries::default();
    if let Some(sampling) = &phase.sampling {
        let mut entries = Entries::default();
        match sampling {
            Sampling::Rate(rate) => entries.put("rate", number(*rate)),
            Sampling::Keys(file) => entries.text("keys", Some(file)),
            Sampling::TargetKeys => entries.text("keys", Some("target")),
        }
        out.put("sampling", Out::Map(entries));
    }
    if let Some(own) = &phase.gate {
        out.put("gate", Out::Map(gate(own)));
    }
    out
}

fn gate(gate: &Gate) -> Entries {
    let mut out = Entries::default();
    out.put("pass_rate", number(gate.pass_rate));
    out.text("inconclusive", Some(if gate.inconclusive_blocks { "block" } else { "allow" }));
    out
}

fn waiver(waiver: &Waiver) -> Entries {
    let mut out = Entries::default();
    out.spanned("id", Some(&waiver.id));
    let mut what = Entries::default();
    what.text("table", waiver.table.as_deref());
    what.text("column", waiver.column.as_deref());
    what.text("outcome", waiver.outcome.map(|o| o.name()).as_deref());
    what.text("key", waiver.key.as_deref());
    out.put("match", Out::Map(what));
    out.text("owner", Some(&waiver.owner));
    out.text("reason", Some(&waiver.reason));
    out.spanned("until", waiver.until.as_ref());
    out
}

fn number(n: f64) -> Out {
    Out::Bare(n.to_string())
}

fn json(value: &Value) -> Out {
    match value {
        Value::String(text) => Out::Text(text.clone()),
        Value::Array(items) => Out::List(items.iter().map(json).collect()),
        Value::Object(entries) => {
            Out::Map(Entries(entries.iter().map(|(k, v)| (k.clone(), json(v))).collect()))
        }
        other => Out::Bare(other.to_string()),
    }
}

fn write_map(out: &mut String, entries: &Entries, depth: usize) {
    for (at, (key, value)) in entries.0.iter().enumerate() {
        if at > 0 || depth == 0 {
            out.push_str(&"  ".repeat(depth));
        }
        let key = scalar(key);
        if key.len() > LONGEST_KEY {
            out.push_str("? ");
            out.push_str(&key);
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        } else {
            out.push_str(&key);
        }
        out.push(':');
        write_value(out, value, depth + 1);
    }
}

/// YAML takes a key of up to 1,024 characters before its colon; a longer one has to be announced.
const LONGEST_KEY: usize = 1_000;

/// A value after a colon or a dash, line end included.
fn write_value(out: &mut String, value: &Out, depth: usize) {
    match value {
        Out::Text(text) => out.push_str(&format!(" {}\n", scalar(text))),
        Out::Bare(text) => out.push_str(&format!(" {text}\n")),
        Out::List(items) if items.is_empty() => out.push_str(" []\n"),
        Out::Map(entries) if entries.0.is_empty() => out.push_str(" {}\n"),
        Out::Map(entries) => {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
            write_map(out, entries, depth);
        }
        Out::List(items) => {
            out.push('\n');
            for item in items {
                out.push_str(&"  ".repeat(depth));
                out.push('-');
                write_item(out, item, depth);
            }
        }
    }
}

fn write_item(out: &mut String, item: &Out, depth: usize) {
    match item {
        Out::Map(entries) if !entries.0.is_empty() => {
            out.push(' ');
            write_map(out, entries, depth + 1);
        }
        other => write_value(out, other, depth + 1),
    }
}

/// Text bare where that is beyond doubt, in double quotes elsewhere.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '(' | ')' | '$');
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(word)
        && matches!(crate::scalar::Scalar::plain(text), crate::scalar::Scalar::Text(_));
    if bare { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
