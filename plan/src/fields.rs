//! Taking values out of the tree: each taker notes what is wrong, and goes on.

use counterfoil_model::names;
use counterfoil_model::plan::Spanned;

use crate::Known;
use crate::problem::Problems;
use crate::scalar::Scalar;
use crate::source::{Place, Sources};
use crate::tree::{Key, Kind, Node};

/// What every taker needs.
pub(crate) struct Walk<'a> {
    /// What is wrong so far.
    pub problems: &'a mut Problems,
    /// The texts.
    pub sources: &'a mut Sources,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The validators.
    pub known: &'a Known<'a>,
    /// The names of the plan's connections.
    pub connection_names: Vec<String>,
    /// The names of the plan's tables.
    pub table_names: Vec<String>,
}

/// A mapping with known keys.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    node: &'n Node,
    /// Where to point when something is missing.
    pub place: Place,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    /// The key itself.
    pub(crate) fn key(&self, key: &str) -> Option<&'n Key> {
        self.node.entries().iter().find(|(k, _)| k.text == key).map(|(k, _)| k)
    }
}

/// `a`, `b` and `c`; of very many the first.
pub(crate) fn list<'k>(names: impl IntoIterator<Item = &'k str>, last: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        many if many.len() > 24 => format!("{} {last} {} more", many[..20].join(", "), many.len() - 20),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

/// `known are a, b and c`.
pub(crate) fn known_are<'k>(known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match known.len() {
        0 => String::new(),
        1 => format!("known is {}", list(known, "and")),
        _ => format!("known are {}", list(known, "and")),
    }
}

impl Walk<'_> {
    /// A value with its origin.
    pub(crate) fn spanned<T>(&mut self, value: T, place: Place) -> Spanned<T> {
        Spanned::new(value, self.sources.mark(place))
    }

    /// Notes that something else should stand here.
    pub(crate) fn expected(&mut self, node: &Node, what: &str) {
        let message = format!("expected {what}, found {}", node.describe());
        let help = match node.scalar() {
            Some(Scalar::Text(text)) if what.contains("true or false") => {
                match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" => "YAML 1.2 writes `true`",
                    "no" | "off" | "n" => "YAML 1.2 writes `false`",
                    _ => "",
                }
            }
            Some(Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_)) if what.contains("text") => {
                "put it in quotes to make it text"
            }
            _ => "",
        };
        self.problems.advise(node.place, message, help);
    }

    /// A mapping with these keys and no others. `None` (and a problem) where it is something else.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, place: Place, known: &[&str]) -> Option<Fields<'n>> {
        if !matches!(node.kind, Kind::Map(_)) {
            self.expected(node, "a mapping");
            return None;
        }
        for (key, _) in node.entries() {
            if !known.contains(&key.text.as_str()) {
                self.unknown(key.place, "key", &key.text, known);
            }
        }
        Some(Fields { node, place })
    }

    /// Notes an unknown name, with the nearest known one.
    pub(crate) fn unknown<S: AsRef<str>>(&mut self, place: Place, what: &str, name: &str, known: &[S]) {
        let hint = names::suggestion(name, known.iter().map(AsRef::as_ref));
        let help = known_are(known.iter().map(AsRef::as_ref));
        self.problems.advise(place, format!("unknown {what} `{name}`{hint}"), help);
    }

    /// A key that has to be there.
    pub(crate) fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            self.problems.add(fields.place, format!("`{key}` is missing"));
        }
        found
    }

    /// A mapping from names that are free to choose.
    pub(crate) fn named<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Key, Node)] {
        if !matches!(node.kind, Kind::Map(_)) {
            self.expected(node, what);
        }
        for (key, _) in node.entries() {
            if key.text.trim().is_empty() {
                self.problems.add(key.place, "a name is empty");
            }
        }
        node.entries()
    }

    /// Text that isn't empty.
    pub(crate) fn text(&mut self, node: &Node) -> Option<Spanned<String>> {
        self.text_or(node, "text")
    }

    /// Text that isn't empty, with other words for what is expected.
    pub(crate) fn text_or(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match node.scalar() {
            Some(Scalar::Text(text)) if !text.trim().is_empty() => {
                Some(self.spanned(text.to_owned(), node.place))
            }
            Some(Scalar::Text(_)) => {
                self.problems.add(node.place, format!("expected {what}, found empty text"));
                None
            }
            _ => {
                self.expected(node, what);
                None
            }
        }
    }

    /// One text or a list of texts, none twice.
    pub(crate) fn texts(&mut self, node: &Node) -> Vec<Spanned<String>> {
        let Kind::List(items) = &node.kind else {
            return self.text_or(node, "text or a list of texts").into_iter().collect();
        };
        let mut texts: Vec<Spanned<String>> = Vec::new();
        for item in items {
            let Some(text) = self.text(item) else { continue };
            if texts.iter().any(|t| t.value == text.value) {
                self.problems.add(item.place, format!("`{}` stands in the list a second time", text.value));
            }
            texts.push(text);
        }
        texts
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.scalar() {
            Some(Scalar::Bool(value)) => Some(value),
            _ => {
                self.expected(node, "true or false");
                None
            }
        }
    }

    /// `true` or `false` under a key; `false` where it isn't there.
    pub(crate) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        fields.get(key).and_then(|node| self.boolean(node)).unwrap_or(false)
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let what = list(known.iter().copied(), "or");
        let Some(Scalar::Text(text)) = node.scalar() else {
            self.expected(node, &what);
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = names::suggestion(text, known);
            self.problems.add(node.place, format!("expected {what}, found {}{hint}", node.describe()));
        }
        found
    }

    /// A share of everything: `99.5%` or 0.995.
    pub(crate) fn share(&mut self, node: &Node) -> Option<f64> {
        let share = match node.scalar() {
            Some(Scalar::Text(text)) => text.trim().strip_suffix('%').and_then(percent),
            #[allow(clippy::cast_precision_loss)]
            Some(Scalar::Int(n)) => Some(n as f64),
            Some(Scalar::Float(n)) => Some(n),
            _ => None,
        };
        let Some(share) = share else {
            self.expected(node, "a share such as `99.5%` or 0.995");
            return None;
        };
        if (0.0..=1.0).contains(&share) {
            return Some(share);
        }
        let message = format!("expected a share between 0% and 100%, found {}", node.describe());
        let forgotten = !matches!(node.scalar(), Some(Scalar::Text(_))) && (1.0..=100.0).contains(&share);
        let help = if forgotten { format!("did you mean `{share}%`?") } else { String::new() };
        self.problems.advise(node.place, message, help);
        None
    }

    /// A table of the plan.
    pub(crate) fn table(&mut self, node: &Node) -> Option<Spanned<String>> {
        let name = self.text(node)?;
        if !self.table_names.contains(&name.value) {
            let tables = self.table_names.clone();
            self.unknown(node.place, "table", &name.value, &tables);
        }
        Some(name)
    }

    /// `connection.table`, the connection being one of the plan's.
    pub(crate) fn connection_dot(&mut self, place: Place, text: &str) {
        let (connection, table) = text.split_once('.').unwrap_or((text, ""));
        if table.is_empty() || connection.is_empty() {
            let example = self.connection_names.first().map_or("app", String::as_str);
            let help = format!("for example `{example}.{}`", if text.is_empty() { "users" } else { text });
            self.problems.advise(place, format!("expected `connection.table`, found `{text}`"), help);
        } else if !self.connection_names.is_empty() && !self.connection_names.iter().any(|c| c == connection)
        {
            let connections = self.connection_names.clone();
            self.unknown(place, "connection", connection, &connections);
        }
    }
}

/// The share that a number of percent is, rounded once: 99.5 gives 0.995.
fn percent(number: &str) -> Option<f64> {
    let number = number.trim();
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    number.parse::<f64>().ok().map(|n| n / 100.0)
}
