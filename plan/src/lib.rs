//! Reads counterfoil's plan files: YAML 1.2 into the model's typed plan, every problem with its place.
//!
//! A plan is read in steps: YAML to a tree that knows its places ([`parse`] starts there), `--set` into the tree,
//! then one walk over the tree that collects every problem. Passwords are kept out of all that is shown.

mod checks;
mod fields;
mod json;
mod problem;
mod resolve;
mod scalar;
mod schema;
mod secret;
mod set;
mod settings;
mod source;
mod table;
mod tree;
mod walk;

use std::path::Path;

use counterfoil_model::plan::{Origin, Plan};

pub use problem::{PlanError, PlanErrors};
pub use schema::schema;

use fields::Walk;
use problem::Problems;
use source::Sources;

/// The largest file that is taken for a plan.
const MAX_BYTES: u64 = 4 << 20;

/// What a plan may name beside what stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The validators, each with the names of its options.
    pub validators: &'a [(String, Vec<String>)],
}

/// A plan with what it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// `plan.resolved.yaml`: after `--set`, defaults filled in, secrets not.
    pub resolved_yaml: String,
    /// BLAKE3 of the file's bytes, hexadecimal.
    pub blake3: String,
    /// The file's name as it was given.
    pub source_name: String,
    sources: Sources,
}

impl Loaded {
    /// The file's text as it may be shown: passwords in URLs are starred, byte for byte.
    pub fn source_text(&self) -> &str {
        self.sources.text(0).map_or("", |text| &text.shown)
    }
}

/// Reads a plan file.
///
/// # Errors
/// Everything that is wrong with it; that it can't be read at all is one problem too.
pub fn load(
    path: &Path,
    set: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    known: &Known<'_>,
) -> Result<Loaded, PlanErrors> {
    let name = path.display().to_string();
    let alone = |message: String, help: &str| PlanErrors {
        source_name: name.clone(),
        problems: vec![PlanError::nowhere(message, Some(help.to_owned()).filter(|h| !h.is_empty()))],
    };
    let failed = |error: std::io::Error| {
        let help = if error.kind() == std::io::ErrorKind::NotFound { "is the path right?" } else { "" };
        alone(format!("failed to read the plan {}: {error}", path.display()), help)
    };
    let facts = std::fs::metadata(path).map_err(failed)?;
    if facts.is_dir() {
        return Err(alone(format!("{} is a folder, not a plan file", path.display()), "name the file in it"));
    }
    if facts.len() > MAX_BYTES {
        let message = format!("{} is no plan: it has {} bytes", path.display(), facts.len());
        return Err(alone(message, &format!("a plan has {MAX_BYTES} at most")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        alone(format!("{} is not UTF-8 text: line {line}", path.display()), "is this the plan?")
    })?;
    parse(&name, text, set, env, known)
}

/// Reads a plan from text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(
    name: &str,
    text: &str,
    set: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    known: &Known<'_>,
) -> Result<Loaded, PlanErrors> {
    let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut sources = Sources::new(name, text, set);
    let mut problems = Problems::default();
    let plan = build(text, set, env, known, &mut sources, &mut problems);
    match problems.into_errors(&sources) {
        Some(errors) => Err(errors),
        None => {
            let resolved_yaml = resolve::yaml(&plan);
            Ok(Loaded { plan, resolved_yaml, blake3, source_name: name.to_owned(), sources })
        }
    }
}

fn build(
    text: &str,
    set: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    known: &Known<'_>,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Plan {
    let before = problems.len();
    let root = tree::load(text, 0, 0, problems);
    let Some(mut root) = root.filter(|root| !root.is_null()) else {
        if problems.len() == before {
            problems.advise(source::Place::top(), "the plan is empty", "a plan starts with `version: 1`");
        }
        return Plan::default();
    };
    for (at, argument) in set.iter().enumerate() {
        set::apply(&mut root, argument, at + 1, problems);
    }
    let name = sources.text(0).map(|t| t.name.clone()).unwrap_or_default();
    let mut walk =
        Walk { problems, sources, env, known, connection_names: Vec::new(), table_names: Vec::new() };
    walk.plan(&root, &name)
}

/// A problem that a later stage found with what stands at an origin, shown like the loader's own.
pub fn problem_at(
    loaded: &Loaded,
    origin: Origin,
    message: impl Into<String>,
    help: Option<String>,
) -> PlanError {
    let message: String = message.into();
    match loaded.sources.place(origin) {
        Some(place) => PlanError::at(&loaded.sources, place, &message, help.as_deref()),
        None => PlanError::nowhere(message, help),
    }
}

/// Any YAML document as JSON, read as strictly as a plan: for holding a plan against its [`schema`].
///
/// # Errors
/// Everything that is wrong with it.
pub fn yaml_to_json(text: &str) -> Result<serde_json::Value, PlanErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let sources = Sources::new("yaml", text, &[]);
    let mut problems = Problems::default();
    let value = tree::load(text, 0, 0, &mut problems).map(|root| json::json(&root, &mut problems));
    problems.into_errors(&sources).map_or(Ok(value.unwrap_or_default()), Err)
}
