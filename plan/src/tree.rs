//! A YAML document as a tree in which everything knows its place. Aliases are copied, within bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::problem::Problems;
use crate::scalar::Scalar;
use crate::source::Place;

/// How deep lists and mappings may stand in each other.
const MAX_DEPTH: usize = 64;
/// How large a plan may be once aliases are copied: values, and text in pieces of 64 bytes.
const MAX_SIZE: usize = 200_000;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A word or text.
    Scalar {
        /// Its text, quotes and escapes resolved.
        text: String,
        /// Without quotes, so that it may be a number, `true` or nothing.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file, without duplicate keys.
    Map(Vec<(Key, Node)>),
}

/// A mapping's key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// What a scalar means; `None` for lists and mappings.
    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => Some(Scalar::plain(text)),
            Kind::Scalar { text, plain: false } => Some(Scalar::Text(text)),
            _ => None,
        }
    }

    /// Whether there is nothing.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// What to call it in a message.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { .. } => self.scalar().map(|s| s.describe()).unwrap_or_default(),
            Kind::List(items) if items.is_empty() => "an empty list".into(),
            Kind::List(_) => "a list".into(),
            Kind::Map(entries) if entries.is_empty() => "an empty mapping".into(),
            Kind::Map(_) => "a mapping".into(),
        }
    }

    /// A mapping's value.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, value)| value)
    }

    /// A mapping's keys and values; nothing for anything else.
    pub(crate) fn entries(&self) -> &[(Key, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }
}

/// A list or mapping that is still being read.
struct Frame {
    start: Place,
    anchor: usize,
    height: usize,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: HashMap<String, usize>, pending: Option<Pending> },
}

/// A key that waits for its value.
enum Pending {
    Key(Key),
    /// The key was refused: drop its value.
    Drop,
}

struct Loader<'p> {
    problems: &'p mut Problems,
    source: usize,
    base: usize,
    bytes: Vec<usize>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize, usize)>,
    size: usize,
    root: Option<Node>,
    documents: usize,
}

/// Reads one document. `base` is where `text` starts in its source. `None` where there is none or it can't be
/// read; the reason is among the problems then.
pub(crate) fn load(text: &str, source: usize, base: usize, problems: &mut Problems) -> Option<Node> {
    let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut loader = Loader {
        problems,
        source,
        base,
        bytes,
        stack: Vec::new(),
        anchors: HashMap::new(),
        size: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => loader.event(event, span)?,
            Err(error) => {
                let at = loader.byte(error.marker().index());
                let place = loader.visible(text, at);
                loader.problems.advise(
                    place,
                    format!("not valid YAML: {}", error.info()),
                    advice(text, at, error.info()),
                );
                return None;
            }
        }
    }
    loader.root
}

/// The help for a syntax error, where there is more to say than that it is one.
fn advice(text: &str, at: usize, info: &str) -> &'static str {
    let line_start = text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let indent = text.get(line_start..).unwrap_or_default();
    if info.contains("unprintable") {
        return "is this the plan, and not some binary file?";
    }
    if info.contains("a tab") || indent.chars().take_while(|c| matches!(c, ' ' | '\t')).any(|c| c == '\t') {
        return "indent with spaces: YAML doesn't take tabs";
    }
    "look for a missing colon, quote or bracket, or a wrong indent, here or just above"
}

impl Loader<'_> {
    fn byte(&self, chars: usize) -> usize {
        self.bytes.get(chars).or(self.bytes.last()).copied().unwrap_or_default()
    }

    /// The rest of the line at a byte, or the last line that has any text where that is empty.
    fn visible(&self, text: &str, at: usize) -> Place {
        let rest = text.get(at..).unwrap_or_default();
        let line = rest.find('\n').unwrap_or(rest.len());
        let (start, end) = if rest[..line].trim().is_empty() {
            let before = text.get(..at).unwrap_or_default().trim_end();
            let start = before.rfind('\n').map_or(0, |i| i + 1);
            (start + before[start..].len() - before[start..].trim_start().len(), before.len())
        } else {
            (at, at + line)
        };
        Place { source: self.source, start: self.base + start, end: self.base + end }
    }

    fn place(&self, span: Span) -> Place {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        Place { source: self.source, start: self.base + start, end: self.base + end.max(start) }
    }

    /// Takes an event; `None` ends the reading.
    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let place = self.place(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problems.advise(
                        place,
                        "a second document starts here",
                        "a plan is one YAML document",
                    );
                    return None;
                }
                Some(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !self.text_tag(tag.as_deref(), place);
                let node = Node { place, kind: Kind::Scalar { text: text.into_owned(), plain } };
                self.finish(node, anchor, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                self.text_tag(tag.as_deref(), place);
                self.open(place, anchor, Body::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.text_tag(tag.as_deref(), place);
                self.open(
                    place,
                    anchor,
                    Body::Map { entries: Vec::new(), seen: HashMap::new(), pending: None },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
            Event::Alias(anchor) => self.alias(anchor, place),
            _ => Some(()),
        }
    }

    /// Whether a tag makes a word text; other tags are refused.
    fn text_tag(&mut self, tag: Option<&Tag>, place: Place) -> bool {
        let Some(tag) = tag else { return false };
        if (tag.is_yaml_core_schema() && tag.suffix == "str") || (tag.handle.is_empty() && tag.suffix == "!")
        {
            return true;
        }
        self.problems.advise(place, format!("a plan knows no tag such as `{tag}`"), "take the tag away");
        false
    }

    fn open(&mut self, start: Place, anchor: usize, body: Body) -> Option<()> {
        if self.stack.len() >= MAX_DEPTH {
            self.problems.add(start, format!("more than {MAX_DEPTH} lists and mappings stand in each other"));
            return None;
        }
        self.stack.push(Frame { start, anchor, height: 0, body });
        Some(())
    }

    fn close(&mut self, end: Place) -> Option<()> {
        let frame = self.stack.pop()?;
        let kind = match frame.body {
            Body::List(items) => Kind::List(items),
            Body::Map { entries, .. } => Kind::Map(entries),
        };
        let place = Place { end: end.end.max(frame.start.end), ..frame.start };
        self.finish(Node { place, kind }, frame.anchor, frame.height + 1)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Option<()> {
        let Some((node, height, size)) = self.anchors.get(&anchor).cloned() else {
            self.problems.add(place, "an alias stands within its own anchor");
            return None;
        };
        if self.stack.len() + height > MAX_DEPTH {
            self.problems.add(place, format!("more than {MAX_DEPTH} lists and mappings stand in each other"));
            return None;
        }
        self.size += size;
        self.finish(node, 0, height)
    }

    /// Hands a finished value to what it stands in.
    fn finish(&mut self, node: Node, anchor: usize, height: usize) -> Option<()> {
        self.size += own_size(&node);
        if self.size > MAX_SIZE {
            self.problems.add(node.place, "too large for a plan from here on, with all aliases copied");
            return None;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), height, size(&node)));
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        frame.height = frame.height.max(height);
        match &mut frame.body {
            Body::List(items) => items.push(node),
            Body::Map { entries, seen, pending } => match pending.take() {
                None => *pending = Some(key(node, seen, entries, self.problems)),
                Some(Pending::Drop) => {}
                Some(Pending::Key(key)) => {
                    let mut node = node;
                    if node.place.start == node.place.end {
                        node.place = key.place;
                    }
                    seen.insert(key.text.clone(), entries.len());
                    entries.push((key, node));
                }
            },
        }
        Some(())
    }
}

/// A value that stands where a key should.
fn key(
    node: Node,
    seen: &HashMap<String, usize>,
    entries: &[(Key, Node)],
    problems: &mut Problems,
) -> Pending {
    let Kind::Scalar { text, .. } = node.kind else {
        problems.add(node.place, "a key must be text");
        return Pending::Drop;
    };
    if text == "<<" {
        problems.advise(
            node.place,
            "`<<` merges nothing",
            "merge keys went with YAML 1.1; use a whole alias instead",
        );
        return Pending::Drop;
    }
    if let Some((first, _)) = seen.get(&text).and_then(|at| entries.get(*at)) {
        let help = if first.place == node.place { "" } else { "it stands above already; keep one of them" };
        problems.advise(node.place, format!("`{text}` stands here a second time"), help);
        return Pending::Drop;
    }
    Pending::Key(Key { text, place: node.place })
}

/// What a value counts by itself.
fn own_size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar { text, .. } => 1 + text.len() / 64,
        _ => 1,
    }
}

/// What a value counts with everything in it.
fn size(node: &Node) -> usize {
    own_size(node)
        + match &node.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(size).sum(),
            Kind::Map(entries) => entries.iter().map(|(_, value)| size(value)).sum(),
        }
}
