//! The top of a plan.

use std::path::Path;

use counterfoil_model::names;
use counterfoil_model::plan::{Connection, Defaults, NullVsEmpty, Plan, Spanned, Unicode};
use jiff::tz::TimeZone;

use crate::fields::{Fields, Walk};
use crate::scalar::Scalar;
use crate::secret;
use crate::source::Place;
use crate::tree::{Key, Kind, Node};

const KEYS: [&str; 11] = [
    "version",
    "name",
    "connections",
    "target",
    "defaults",
    "tables",
    "phases",
    "waivers",
    "gate",
    "report",
    "ignore",
];

impl Walk<'_> {
    /// Builds the plan as far as it can be read; whether it is whole, the problems say.
    pub(crate) fn plan(&mut self, root: &Node, source_name: &str) -> Plan {
        let mut plan = Plan::default();
        let Some(fields) = self.fields(root, Place::top(), &KEYS) else { return plan };
        self.connection_names = keys_of(&fields, "connections");
        self.table_names = keys_of(&fields, "tables");
        self.version(&fields);
        plan.name = self.name(&fields, source_name);
        plan.connections = self.connections(&fields);
        plan.target = self.target(&fields);
        plan.defaults = fields.get("defaults").map(|node| self.defaults(node)).unwrap_or_default();
        plan.defaults.timezone.get_or_insert_with(|| Spanned::new("UTC".into(), Default::default()));
        plan.tables = self.tables(&fields);
        plan.gate = fields.get("gate").map(|node| self.gate(node, plan.gate)).unwrap_or_default();
        plan.phases = fields.get("phases").map(|node| self.phases(node, plan.gate)).unwrap_or_default();
        plan.waivers = fields.get("waivers").map(|node| self.waivers(node)).unwrap_or_default();
        plan.report = self.report(&fields);
        plan.ignore = fields.get("ignore").map(|node| self.ignored(node)).unwrap_or_default();
        for ignore in fields.get("ignore").map(Node::entries).unwrap_or_default() {
            self.connection_dot(ignore.0.place, &ignore.0.text);
        }
        plan
    }

    fn version(&mut self, fields: &Fields<'_>) {
        let Some(node) = self.required(fields, "version") else { return };
        match node.scalar() {
            Some(Scalar::Int(1)) => {}
            Some(Scalar::Int(n)) => {
                self.problems.advise(
                    node.place,
                    format!("version {n} is unknown"),
                    "this counterfoil reads version 1",
                );
            }
            _ => self.expected(node, "the number 1"),
        }
    }

    /// The plan's name, which is to name folders too.
    fn name(&mut self, fields: &Fields<'_>, source_name: &str) -> String {
        let stem = || Path::new(source_name).file_stem().map(|s| s.to_string_lossy().into_owned());
        let Some(node) = fields.get("name") else { return stem().unwrap_or_else(|| "plan".into()) };
        let name = self.text(node).map(|t| t.value).unwrap_or_default();
        if name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) || name.starts_with('.') {
            let message = format!("`{name}` can't name a folder");
            self.problems.advise(
                node.place,
                message,
                "runs are kept in folders of this name: take letters, digits and `-`",
            );
        }
        name
    }

    fn connections(&mut self, fields: &Fields<'_>) -> Vec<Connection> {
        let Some(node) = self.required(fields, "connections") else { return Vec::new() };
        let entries = self.named(node, "a mapping from names to URLs");
        if matches!(node.kind, Kind::Map(_)) && entries.is_empty() {
            self.problems.add(node.place, "there is no connection");
        }
        entries.iter().map(|(key, value)| self.connection(key, value)).collect()
    }

    fn connection(&mut self, key: &Key, value: &Node) -> Connection {
        let mut connection = Connection { name: key.text.clone(), ..Connection::default() };
        if key.text.contains('.') {
            let help = "`from` takes what stands before the first dot for the connection";
            self.problems.advise(key.place, format!("the connection's name `{}` has a dot", key.text), help);
        }
        let url = if value.scalar().is_some() {
            Some(value)
        } else {
            let long = self.fields(value, key.place, &["url"]);
            long.and_then(|fields| self.required(&fields, "url"))
        };
        let Some(url) = url else { return connection };
        if let Some(written) = self.text_or(url, "a URL") {
            connection.shown = secret::shown(&written.value);
            for range in secret::passwords(&written.value) {
                self.sources.blot(url.place, &written.value[range]);
            }
            let filled = self.fill(&written.value, url.place);
            connection.url = self.spanned(filled, url.place);
        }
        connection
    }

    /// Fills in the environment; an unset variable is pointed at where it stands.
    fn fill(&mut self, written: &str, place: Place) -> String {
        match secret::fill(written, self.env) {
            Ok(url) if url.trim().is_empty() => {
                self.problems.add(place, "the URL is empty once the environment is filled in");
                url
            }
            Ok(url) => url,
            Err(bad) => {
                for variable in bad {
                    let place = self.sources.within(place, &variable.written);
                    self.problems.advise(place, variable.message, variable.help);
                }
                String::new()
            }
        }
    }

    fn target(&mut self, fields: &Fields<'_>) -> Spanned<String> {
        let target =
            self.required(fields, "target").and_then(|node| self.text(node).map(|t| (t, node.place)));
        let Some((target, place)) = target else { return Spanned::default() };
        if !self.connection_names.is_empty() && !self.connection_names.contains(&target.value) {
            let connections = self.connection_names.clone();
            self.unknown(place, "connection", &target.value, &connections);
        }
        target
    }

    fn defaults(&mut self, node: &Node) -> Defaults {
        let mut defaults = Defaults::default();
        let Some(fields) = self.fields(node, node.place, &["timezone", "null_vs_empty", "unicode"]) else {
            return defaults;
        };
        defaults.timezone = fields.get("timezone").and_then(|node| self.timezone(node));
        if let Some(node) = fields.get("null_vs_empty") {
            let words = [("distinct", NullVsEmpty::Distinct), ("equal", NullVsEmpty::Equal)];
            defaults.null_vs_empty = self.word(node, &words).unwrap_or_default();
        }
        if let Some(node) = fields.get("unicode") {
            defaults.unicode = self.unicode(node);
        }
        defaults
    }

    fn timezone(&mut self, node: &Node) -> Option<Spanned<String>> {
        let zone = self.text(node)?;
        if TimeZone::get(&zone.value).is_err() {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            let hint = names::suggestion(&zone.value, known.iter().map(String::as_str));
            let help = "take an IANA name such as `UTC` or `Asia/Kolkata`";
            self.problems.advise(node.place, format!("unknown time zone `{}`{hint}", zone.value), help);
        }
        Some(zone)
    }

    /// `exact` or `nfc`.
    pub(crate) fn unicode(&mut self, node: &Node) -> Unicode {
        self.word(node, &[("exact", Unicode::Exact), ("nfc", Unicode::Nfc)]).unwrap_or_default()
    }
}

fn keys_of(fields: &Fields<'_>, key: &str) -> Vec<String> {
    let entries = fields.get(key).map(Node::entries).unwrap_or_default();
    entries.iter().map(|(key, _)| key.text.clone()).collect()
}
