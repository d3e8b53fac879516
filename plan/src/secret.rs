//! Secrets: `${NAME}` filled in from the environment, and passwords kept out of sight.

use std::ops::Range;

/// A `${...}` in a URL that can't be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadVariable {
    /// What to underline: `${NAME}` as it stands.
    pub written: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

/// Fills in every `${NAME}`; `$${` stands for `${` itself.
pub(crate) fn fill(url: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<BadVariable>> {
    let (mut out, mut bad, mut rest) = (String::new(), Vec::new(), url);
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let end = inner.find('}');
        match variable(inner, end, env) {
            Ok(value) => out.push_str(&value),
            Err(problem) => bad.push(problem),
        }
        rest = end.map_or("", |end| &inner[end + 1..]);
    }
    out.push_str(rest);
    if bad.is_empty() { Ok(out) } else { Err(bad) }
}

fn variable(
    inner: &str,
    end: Option<usize>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, BadVariable> {
    let escape = "write `$${` where you mean `${` itself";
    let Some(end) = end else {
        let message = "`${` is never closed".to_owned();
        return Err(BadVariable {
            written: "${".into(),
            message,
            help: format!("close it with `}}`, or {escape}"),
        });
    };
    let name = &inner[..end];
    let written = format!("${{{name}}}");
    if !is_name(name) {
        let message = format!("`{name}` can't be the name of an environment variable");
        let help = format!("write `${{NAME}}` with letters, digits and underscores; {escape}");
        return Err(BadVariable { written, message, help });
    }
    env(name).ok_or_else(|| BadVariable {
        written,
        message: format!("the environment variable `{name}` is not set"),
        help: format!("set `{name}` before the run, or give the URL with `--set`"),
    })
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The passwords in one URL: between the user's name and the last `@`, and in telling query parameters. What is
/// nothing but `${NAME}` is no secret.
pub(crate) fn passwords(url: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut query_from = 0;
    if let Some(start) = url.find("://").map(|at| at + 3)
        && let Some(range) = user_info(url, start)
    {
        query_from = range.end;
        found.push(range);
    }
    found.extend(parameters(url, query_from));
    found.retain(|range| !range.is_empty() && !is_reference(&url[range.clone()]));
    found
}

/// `user:PASSWORD@`. A password that holds `/`, `?` or `#` unescaped is no valid URL, but hidden all the same.
fn user_info(url: &str, start: usize) -> Option<Range<usize>> {
    let rest = &url[start..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let at = match authority.rfind('@') {
        Some(at) => at,
        None => authority.contains(':').then(|| rest.rfind('@'))??,
    };
    let colon = rest[..at].find(':')?;
    Some(start + colon + 1..start + at)
}

/// Values of `password=` and its kin, wherever they stand.
fn parameters(url: &str, from: usize) -> Vec<Range<usize>> {
    const NAMES: [&str; 8] =
        ["password", "passwd", "pwd", "secret", "token", "accountkey", "apikey", "api_key"];
    let mut found = Vec::new();
    let mut at = from;
    while let Some(equals) = url[at..].find('=').map(|i| at + i) {
        let name_start = url[..equals].rfind(['?', '&', ';', ' ']).map_or(0, |i| i + 1);
        let name = url[name_start..equals].to_ascii_lowercase();
        let end = url[equals + 1..].find(['&', ';', '#']).map_or(url.len(), |i| equals + 1 + i);
        if NAMES.iter().any(|n| name.ends_with(n)) {
            found.push(equals + 1..end);
            at = end;
        } else {
            at = equals + 1;
        }
    }
    found
}

fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).is_some_and(is_name)
}

/// A URL that may be shown.
pub(crate) fn shown(url: &str) -> String {
    let mut out = url.to_owned();
    for range in passwords(url).into_iter().rev() {
        out.replace_range(range, "***");
    }
    out
}

/// A text that may be shown: passwords starred, and no control character that a terminal could take for an order.
pub(crate) fn presentable(text: &str) -> String {
    let order = |c: char| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t');
    blot(text).chars().map(|c| if order(c) { '?' } else { c }).collect()
}

/// A text with everything starred that looks like a password in a URL; every byte stays where it was.
pub(crate) fn blot(text: &str) -> String {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://").map(|i| from + i) {
        let end = text[at..].find(|c: char| c.is_whitespace() || c == '"').map_or(text.len(), |i| at + i);
        ranges.extend(passwords(&text[at..end]).into_iter().map(|r| at + r.start..at + r.end));
        from = end.max(at + 3);
    }
    stars(text, &ranges)
}

/// Stars over ranges, byte for byte, so that nothing moves; line ends stay.
pub(crate) fn stars(text: &str, ranges: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c != '\n' && ranges.iter().any(|r| r.contains(&at)) {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_and_references_are_not() {
        for (url, expected) in [
            ("postgres://u:p@host/db", "postgres://u:***@host/db"),
            ("postgres://u:p@ss@host/db", "postgres://u:***@host/db"),
            ("postgres://u:p/a#b@host/db", "postgres://u:***@host/db"),
            ("postgres://u:12/34@host/db", "postgres://u:***@host/db"),
            ("postgres://u:${PW}@host/db", "postgres://u:${PW}@host/db"),
            ("postgres://u:x${PW}@host/db", "postgres://u:***@host/db"),
            (
                "postgres://u@host:5432/db?sslmode=require&password=x&a=b",
                "postgres://u@host:5432/db?sslmode=require&password=***&a=b",
            ),
            ("postgres://u:a=b@host/db?password=q", "postgres://u:***@host/db?password=***"),
            (
                "cosmos:AccountEndpoint=https://x.example;AccountKey=abc==;",
                "cosmos:AccountEndpoint=https://x.example;AccountKey=***;",
            ),
            ("postgres://host:5432/db", "postgres://host:5432/db"),
            ("sqlite:a/b@c.db", "sqlite:a/b@c.db"),
            ("${DATABASE_URL}", "${DATABASE_URL}"),
        ] {
            assert_eq!(shown(url), expected);
        }
        assert_eq!(blot("a: \"x://u:pä@h\" # y"), "a: \"x://u:***@h\" # y");
        assert_eq!(blot("a: 'x://u:p'w@h'"), "a: 'x://u:***@h'");
    }

    #[test]
    fn variables_are_filled_in_and_every_bad_one_is_named() {
        let env = |name: &str| (name == "A").then(|| "1${B}".to_owned());
        assert_eq!(fill("x${A}y${A}", &env), Ok("x1${B}y1${B}".to_owned()));
        assert_eq!(fill("$${A}", &env), Ok("${A}".to_owned()));
        let bad = fill("${B}${a-b}${", &env).unwrap_err();
        let messages: Vec<_> = bad.iter().map(|b| b.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "the environment variable `B` is not set",
                "`a-b` can't be the name of an environment variable",
                "`${` is never closed",
            ]
        );
    }
}
