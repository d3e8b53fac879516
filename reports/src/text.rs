//! Values and numbers as a person should see them.

pub(crate) use counterfoil_model::wording::{count, number};
use counterfoil_model::{Finding, FindingKind, Verdict};

/// The most characters of a value that a report shows.
pub(crate) const SHOWN: usize = 120;

/// How values are written, for the reader.
pub(crate) const CONVENTION: &str = "A value stands in single quotes, whatever its type: '' is empty text, 'null' is a text of four \
     letters. Null is the bare word null. An empty field holds no value at all. Inside quotes, \\ is written \\\\, and what \
     can't be seen is spelled out: \\n, \\t, \\u{200b}. Where the two sides differ in a letter or two that could be mistaken \
     for each other, their code points follow. Long values are cut around the first difference (…), with their full length.";

/// One side of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// There is no value: the finding is about something else.
    Nothing,
    /// SQL null.
    Null,
    /// A count, a type, a name: no cell's value.
    Plain(String),
    /// A cell's value, escaped and in quotes, with what a reader should know about it.
    Value {
        /// `'text'`.
        quoted: String,
        /// `5,000 characters`, or nothing.
        note: String,
    },
}

impl Side {
    /// As plain text; nothing is empty.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Null => "null".into(),
            Self::Plain(text) => text.clone(),
            Self::Value { quoted, note } if note.is_empty() => quoted.clone(),
            Self::Value { quoted, note } => format!("{quoted} ({note})"),
        }
    }
}

/// Expected and actual of a finding, each cut to about `shown` characters.
pub(crate) fn sides(finding: &Finding, shown: usize) -> (Side, Side) {
    use FindingKind as K;
    let (expected, actual) = (finding.expected.as_deref(), finding.actual.as_deref());
    let plain = |text: Option<&str>| text.map_or(Side::Nothing, |t| Side::Plain(visible(t)));
    match finding.kind {
        K::RowCount | K::SourceRowsUnaccounted | K::OverlapOutOfRange | K::ConstraintMissing => {
            (plain(expected), plain(actual))
        }
        K::WrongStorageType => (plain(expected), cells(None, actual, shown).1),
        K::Changed => cells(expected, actual, shown),
        _ => {
            let (e, a) = cells(expected, actual, shown);
            // A finding about a cell has an actual value, if only null; what is expected may be no value at all.
            let about_cell = finding.key.is_some() && finding.column.is_some();
            let left = if expected.is_none() { Side::Nothing } else { e };
            let right = if actual.is_none() && !about_cell { Side::Nothing } else { a };
            (left, right)
        }
    }
}

/// The values of two cells; `None` is null. Long ones are cut so that their first difference shows.
pub(crate) fn cells(expected: Option<&str>, actual: Option<&str>, shown: usize) -> (Side, Side) {
    match (expected, actual) {
        (Some(e), Some(a)) => {
            let (same, left, right) = difference(e, a);
            (value(e, same, &left, shown), value(a, same, &right, shown))
        }
        (e, a) => {
            let alone = |text: Option<&str>| text.map_or(Side::Null, |t| value(t, 0, "", shown));
            (alone(e), alone(a))
        }
    }
}

/// How many leading characters two texts share, and the code points of what differs where that is short and not ASCII.
fn difference(expected: &str, actual: &str) -> (usize, String, String) {
    let (e, a): (Vec<char>, Vec<char>) = (expected.chars().collect(), actual.chars().collect());
    let same = e.iter().zip(&a).take_while(|(x, y)| x == y).count();
    let (e, a) = (&e[same..], &a[same..]);
    let tail = e.iter().rev().zip(a.iter().rev()).take_while(|(x, y)| x == y).count();
    let (e, a) = (&e[..e.len() - tail], &a[..a.len() - tail]);
    let seen = |part: &[char]| part.iter().any(|c| !c.is_ascii() && !hidden(*c));
    if e.len().max(a.len()) > 2 || !(seen(e) || seen(a)) {
        return (same, String::new(), String::new());
    }
    let points =
        |part: &[char]| part.iter().map(|c| format!("U+{:04X}", *c as u32)).collect::<Vec<_>>().join(" ");
    (same, points(e), points(a))
}

fn value(text: &str, same: usize, points: &str, shown: usize) -> Side {
    let total = text.chars().count();
    let mut notes: Vec<String> = Vec::new();
    let quoted = if total <= shown {
        format!("'{}'", escaped(text))
    } else {
        notes.push(format!("{} characters", number(total as u64)));
        let from = if same < shown.saturating_sub(10) { 0 } else { same.saturating_sub(shown / 3) };
        let part: String = text.chars().skip(from).take(shown).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if from + shown < total { "…" } else { "" };
        format!("'{before}{}{after}'", escaped(&part))
    };
    if !points.is_empty() {
        notes.push(points.to_owned());
    }
    Side::Value { quoted, note: notes.join(", ") }
}

/// Whether a character can't be seen, or turns what stands around it.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
            | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text in which everything can be seen: control characters, odd spaces and direction marks are spelled out.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(c, &mut out));
    out
}

/// Like [`visible`], and `\` doubled, so that no two texts look the same.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' {
            out.push('\\');
        }
        push_visible(c, &mut out);
    }
    out
}

fn push_visible(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if hidden(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}

/// A key, which is JSON: what can't be seen is escaped as JSON does, so that it is still the same key. Long keys (whole
/// rows of a bag) are cut.
pub(crate) fn key(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for (at, c) in json.chars().enumerate() {
        if at == 2 * SHOWN {
            return format!("{out}… ({} characters)", number(json.chars().count() as u64));
        }
        if hidden(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// `PASS`, `FAIL` or `INCONCLUSIVE`.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "INCONCLUSIVE",
    }
}

/// `98.33%`: rounded down, so that nothing looks like all, and never to none.
pub(crate) fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0 + 1e-7).floor();
    match hundredths {
        h if h >= 10_000.0 && share < 1.0 => "99.99%".into(),
        h if h < 1.0 && share > 0.0 => "0.01%".into(),
        h => format!("{}%", h / 100.0),
    }
}

/// A share that the plan asks for, as it stands there: `99.995%`.
pub(crate) fn exact_percent(share: f64) -> String {
    let text = format!("{:.6}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_look_better_than_they_are() {
        assert_eq!(percent(0.99999), "99.99%");
        assert_eq!(percent(0.999_999_999_99), "99.99%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.57), "57%");
        assert_eq!(percent(31.0 / 72.0), "43.05%");
        assert_eq!(percent(0.000_001), "0.01%");
        assert_eq!(percent(0.0), "0%");
        assert_eq!(exact_percent(0.57), "57%");
        assert_eq!(exact_percent(0.99995), "99.995%");
        assert_eq!(exact_percent(1.0), "100%");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(999), "999");
    }

    #[test]
    fn values_cannot_be_confused() {
        let shown = |text: Option<&str>| cells(text, None, SHOWN).0.plain();
        let all = [
            None,
            Some(""),
            Some("null"),
            Some("a\nb"),
            Some("a\\nb"),
            Some("a\\\\nb"),
            Some("'a'"),
            Some("a\u{200b}"),
            Some("a\\u{200b}"),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(shown(*a), shown(*b));
            }
        }
        assert_eq!(shown(None), "null");
        assert_eq!(shown(Some("")), "''");
        assert_eq!(visible("a\u{202e}b\nc"), "a\\u{202e}b\\nc");
    }

    #[test]
    fn long_values_show_where_they_differ() {
        let long = "x".repeat(5000);
        let (e, a) = cells(Some(&format!("{long}y")), Some(&format!("{long}z")), SHOWN);
        assert!(e.plain().contains("xy'") && a.plain().contains("xz'"), "{e:?} {a:?}");
        assert!(e.plain().ends_with("(5,001 characters)"), "{e:?}");
        let (e, a) = cells(Some(&format!("y{long}")), Some(&format!("z{long}")), SHOWN);
        assert!(e.plain().starts_with("'yx") && a.plain().starts_with("'zx"), "{e:?} {a:?}");
        let (e, a) = cells(Some(&long), Some(&long[..40]), SHOWN);
        assert_eq!(a.plain(), format!("'{}'", "x".repeat(40)));
        assert!(e.plain().starts_with("'xxx"), "{e:?}");
    }

    #[test]
    fn look_alikes_are_told_apart() {
        let (e, a) = cells(Some("caf\u{e9}"), Some("cafe\u{301}"), SHOWN);
        assert!(e.plain().ends_with("(U+00E9)") && a.plain().ends_with("(U+0065 U+0301)"), "{e:?} {a:?}");
        let (e, a) = cells(Some("5 – 6"), Some("5 - 6"), SHOWN);
        assert!(e.plain().ends_with("(U+2013)") && a.plain().ends_with("(U+002D)"), "{e:?} {a:?}");
        let (e, _) = cells(Some("Łukasz"), Some("Priya"), SHOWN);
        assert_eq!(e.plain(), "'Łukasz'");
    }

    #[test]
    fn keys_stay_the_same_json() {
        let json = serde_json::to_string(&["a\u{202e}b\\n|", "\u{e0041}"]).unwrap();
        let shown = key(&json);
        assert!(!shown.contains('\u{202e}') && !shown.contains('\u{e0041}'), "{shown}");
        let (before, after): (Vec<String>, Vec<String>) =
            (serde_json::from_str(&json).unwrap(), serde_json::from_str(&shown).unwrap());
        assert_eq!(before, after);
    }
}
