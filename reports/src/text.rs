//! Values and numbers as a person should see them.

use counterfoil_model::Verdict;

/// The most characters of a value that a rendering shows.
const SHOWN: usize = 120;

/// `1,234,567`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A cell's text: null as `null`, text in quotes, so that the two can't be confused; what can't be seen is spelled
/// out, and what is long is cut with its length.
pub(crate) fn value(text: Option<&str>) -> String {
    match text {
        None => "null".into(),
        Some(text) => format!("'{}'", visible(&cut(text))),
    }
}

/// Expected and actual, cut so that the first difference shows.
pub(crate) fn both(expected: Option<&str>, actual: Option<&str>) -> (String, String) {
    let (Some(e), Some(a)) = (expected, actual) else { return (value(expected), value(actual)) };
    if e.chars().count().max(a.chars().count()) <= SHOWN {
        return (value(expected), value(actual));
    }
    let same = e.chars().zip(a.chars()).take_while(|(x, y)| x == y).count();
    let from = same.saturating_sub(20);
    (window(e, from), window(a, from))
}

fn window(text: &str, from: usize) -> String {
    let total = text.chars().count();
    let part: String = text.chars().skip(from).take(SHOWN - 20).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if from + SHOWN - 20 < total { "…" } else { "" };
    format!("'{before}{}{after}' ({} characters)", visible(&part), number(total as u64))
}

fn cut(text: &str) -> String {
    let total = text.chars().count();
    if total <= SHOWN {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN - 20).collect();
    format!("{head}… ({} characters)", number(total as u64))
}

/// Control characters, odd spaces and direction marks as `\u{..}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c, '\u{00a0}' | '\u{00ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if hidden => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
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

/// `98.3%`, never rounded up to 100.
pub(crate) fn percent(share: f64) -> String {
    if share >= 1.0 {
        return "100%".into();
    }
    format!("{:.1}%", (share * 1000.0).floor() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_rounds_up_to_all_and_nothing_hides() {
        assert_eq!(percent(0.99999), "99.9%");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(12), "12");
        assert_eq!(value(None), "null");
        assert_eq!(value(Some("null")), "'null'");
        assert_eq!(visible("a\u{202e}b\nc"), "a\\u{202e}b\\nc");
        let long = "x".repeat(500);
        let (e, a) = both(Some(&format!("{long}y")), Some(&format!("{long}z")));
        assert!(e.contains("xy") && a.contains("xz"), "{e} {a}");
    }
}
