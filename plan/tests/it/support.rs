//! What the tests share.

use counterfoil_model::plan::Plan;
use counterfoil_plan::{Known, Loaded, PlanErrors};
use miette::{GraphicalReportHandler, GraphicalTheme};

/// The validators with their options.
pub const VALIDATORS: [(&str, &[&str]); 11] = [
    ("coordinate", &["columns"]),
    ("data_type", &[]),
    ("dedup", &["overlap"]),
    ("file_path", &["column", "prefix", "forbid", "store"]),
    ("foreign_key", &[]),
    ("json_field", &["columns", "schema"]),
    ("orphan", &["column", "references", "baseline"]),
    ("row_count", &[]),
    ("row_diff", &[]),
    ("timestamp", &["columns"]),
    ("uniqueness", &["columns"]),
];

pub fn validators() -> Vec<(String, Vec<String>)> {
    VALIDATORS.iter().map(|(n, o)| ((*n).to_owned(), o.iter().map(|o| (*o).to_owned()).collect())).collect()
}

/// The validators, taking every word of a text for an option: this crate doesn't know the real ones, which the
/// fixtures use.
pub fn any_options(text: &str) -> Vec<(String, Vec<String>)> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    let words: std::collections::BTreeSet<String> = words.map(str::to_owned).collect();
    VALIDATORS.iter().map(|(name, _)| ((*name).to_owned(), words.iter().cloned().collect())).collect()
}

pub fn env(name: &str) -> Option<String> {
    match name {
        "DATABASE_URL" => Some("postgres://me:hunter2@db/app".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

pub fn parse_with(text: &str, set: &[&str]) -> Result<Loaded, PlanErrors> {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    counterfoil_plan::parse("plan.yaml", text, &set, &env, &Known { validators: &validators() })
}

pub fn parse(text: &str) -> Result<Loaded, PlanErrors> {
    parse_with(text, &[])
}

/// Each problem as `line:column |offending| message (help)`.
pub fn problems(result: Result<Loaded, PlanErrors>) -> Vec<String> {
    let errors = result.map(|l| l.resolved_yaml).unwrap_err();
    errors
        .problems
        .iter()
        .map(|p| {
            let help = p.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{} |{}| {}{help}", p.origin, p.offending().unwrap_or_default(), p.message)
        })
        .collect()
}

/// The report as a person sees it, without colour.
pub fn rendered(error: &dyn miette::Diagnostic) -> String {
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    handler.render_report(&mut out, error).unwrap();
    out
}

/// Every plan of the repository, with its path.
pub fn fixtures() -> Vec<(String, String)> {
    fn collect(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                collect(&path, found);
            } else if path.file_name().is_some_and(|n| n == "plan.yaml") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), &mut found);
    found
}

/// A plan as text without origins, to compare what two plans say.
pub fn bare(plan: &Plan) -> String {
    let text = format!("{plan:?}");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("origin: Origin {") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('}').unwrap() + 1..];
    }
    out + rest
}

/// A plan that is whole, for tests to spoil.
pub const GOOD: &str = "\
version: 1
connections:
  old: { url: \"sqlite:old.db\" }
  app: { url: \"sqlite:app.db\" }
target: app
tables:
  users:
    from: old.users
    key: id
  orders:
    from: old.orders
    columns:
      total: { expect: amount, as: \"decimal(12,2)\" }
";

/// The design's example.
pub const FULL: &str = include_str!("full.yaml");
