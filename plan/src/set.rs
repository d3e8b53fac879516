//! `--set path=value`: overrides put into the tree before anything is checked.

use counterfoil_model::names;

use crate::problem::Problems;
use crate::source::Place;
use crate::tree::{self, Key, Kind, Node};

/// The maps of names in which a path may only go where the plan has been.
const NAMED: [&str; 3] = ["connections", "tables", "phases"];

/// Puts one `--set` argument (the `number`th, from 1) into the tree.
pub(crate) fn apply(root: &mut Node, argument: &str, number: usize, problems: &mut Problems) {
    let place = |start: usize, end: usize| Place { source: number, start, end };
    let whole = place(0, argument.len());
    let Some(equals) = equals(argument) else {
        problems.advise(whole, "`--set` takes path=value", "for example `--set gate.pass_rate=99%`");
        return;
    };
    let steps = match steps(&argument[..equals]) {
        Ok(steps) => steps,
        Err(message) => {
            problems.advise(place(0, equals), message, "for example `--set tables.users.key=id`");
            return;
        }
    };
    let text = &argument[equals + 1..];
    let before = problems.len();
    let value = tree::load(text, number, equals + 1, problems);
    if problems.len() > before {
        return;
    }
    let end = place(equals + 1, argument.len());
    let value = value.unwrap_or(Node { place: end, kind: Kind::Scalar { text: String::new(), plain: true } });
    let steps: Vec<Key> =
        steps.into_iter().map(|(text, at)| Key { text, place: place(at.start, at.end) }).collect();
    if let Err((place, message, help)) = put(root, &steps, value) {
        problems.advise(place, message, help);
    }
}

/// The first `=` outside quotes.
fn equals(argument: &str) -> Option<usize> {
    let mut quoted = false;
    argument.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == '=' && !quoted).then_some(at)
    })
}

type Step = (String, std::ops::Range<usize>);

/// The steps of a path: names between dots, in double quotes where a name has dots of its own.
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut at = 0;
    loop {
        let rest = &path[at..];
        let (name, length) = if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find('"').ok_or("a quote in the path is never closed")?;
            (&inner[..end], end + 2)
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (&rest[..end], end)
        };
        if name.is_empty() {
            return Err("a name in the path is empty".into());
        }
        steps.push((name.to_owned(), at..at + length));
        at += length;
        match path[at..].chars().next() {
            None => return Ok(steps),
            Some('.') => at += 1,
            Some(_) => return Err("a dot is missing in the path".into()),
        }
    }
}

type Refused = (Place, String, String);

fn put(root: &mut Node, steps: &[Key], value: Node) -> Result<(), Refused> {
    let mut node = root;
    for (at, step) in steps.iter().enumerate() {
        let parents: Vec<&str> = steps[..at].iter().map(|k| k.text.as_str()).collect();
        node = descend(node, step, &parents, at + 1 == steps.len())?;
    }
    *node = value;
    Ok(())
}

/// One step down; what is missing is made, save where that could only be a slip of the pen.
fn descend<'n>(
    node: &'n mut Node,
    step: &Key,
    parents: &[&str],
    last: bool,
) -> Result<&'n mut Node, Refused> {
    lengthen(node, parents);
    let said = if parents.is_empty() { "the plan".to_owned() } else { format!("`{}`", parents.join(".")) };
    let found = node.describe();
    if node.is_null() {
        node.kind = Kind::Map(Vec::new());
    }
    match &mut node.kind {
        Kind::Map(entries) => {
            let known = matches!(parents, [section] if NAMED.contains(section));
            let at = entries.iter().position(|(key, _)| key.text == step.text);
            if known && at.is_none() {
                let names: Vec<&str> = entries.iter().map(|(key, _)| key.text.as_str()).collect();
                return Err(unknown(step, &said, &names));
            }
            let at = at.unwrap_or_else(|| {
                let kind = Kind::Scalar { text: String::new(), plain: true };
                entries.push((step.clone(), Node { place: step.place, kind }));
                entries.len() - 1
            });
            let (key, value) = &mut entries[at];
            if last {
                key.place = step.place; // what `--set` changed is shown as coming from it
            }
            Ok(value)
        }
        Kind::List(items) => {
            let count = items.len();
            let item = step.text.parse::<usize>().ok().and_then(|i| items.get_mut(i));
            item.ok_or_else(|| {
                let message = format!("{said} is a list, and `{}` is none of its places", step.text);
                (step.place, message, format!("it has {count}, counted from 0"))
            })
        }
        Kind::Scalar { .. } => {
            let message = format!("{said} is {found}, so there is no `{}` in it", step.text);
            Err((step.place, message, String::new()))
        }
    }
}

/// A short form that a path goes into becomes the long one: `app: URL`, `email: EXPRESSION`.
fn lengthen(node: &mut Node, parents: &[&str]) {
    let name = match parents {
        ["connections", _] => "url",
        ["tables", _, "columns", _] => "expect",
        _ => return,
    };
    if matches!(node.kind, Kind::Scalar { .. }) && !node.is_null() {
        let place = node.place;
        let short = std::mem::replace(&mut node.kind, Kind::Map(Vec::new()));
        node.kind = Kind::Map(vec![(Key { text: name.into(), place }, Node { place, kind: short })]);
    }
}

fn unknown(step: &Key, said: &str, names: &[&str]) -> Refused {
    let hint = names::suggestion(&step.text, names.iter().copied());
    let message = format!("{said} has no `{}`{hint}", step.text);
    (step.place, message, crate::fields::known_are(names.iter().copied()))
}
