//! YAML 1.2's core schema: what an unquoted word means. `no`, `off` and `2026-12-31` are text.

/// What a scalar holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits, signed or not.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text(&'a str),
}

impl Scalar<'_> {
    /// The meaning of an unquoted word.
    pub(crate) fn plain(text: &str) -> Scalar<'_> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
            _ => whole(text).or_else(|| float(text)).unwrap_or(Scalar::Text(text)),
        }
    }

    /// What to call it in a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Bool(b) => b.to_string(),
            Self::Int(n) => format!("the number {n}"),
            Self::Float(n) => format!("the number {n}"),
            Self::Text(text) => {
                let short: String = text.chars().take(60).collect();
                format!("the text `{short}{}`", if short.len() < text.len() { "..." } else { "" })
            }
        }
    }
}

fn whole(text: &str) -> Option<Scalar<'_>> {
    let radix = |digits: &str, radix| {
        let fine = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        fine.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
    };
    let n = if let Some(hex) = text.strip_prefix("0x") {
        radix(hex, 16)?
    } else if let Some(octal) = text.strip_prefix("0o") {
        radix(octal, 8)?
    } else {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let n = radix(digits, 10)?;
        if text.starts_with('-') { -n } else { n }
    };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&n).then_some(Scalar::Int(n))
}

fn float(text: &str) -> Option<Scalar<'_>> {
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(bare, ".inf" | ".Inf" | ".INF") {
        return Some(Scalar::Float(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    let number = bare.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && bare.chars().any(|c| c.is_ascii_digit())
        && bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    number.then(|| text.parse().ok().map(Scalar::Float)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_core_schema_counts() {
        for text in
            ["no", "off", "yes", "y", "2026-12-31", "1_000", "12:30", "1%", "e5", ".", "-", "0x", "1.2.3"]
        {
            assert_eq!(Scalar::plain(text), Scalar::Text(text));
        }
        assert_eq!(Scalar::plain("010"), Scalar::Int(10));
        assert_eq!(Scalar::plain("0o10"), Scalar::Int(8));
        assert_eq!(Scalar::plain("-0x1"), Scalar::Text("-0x1"));
        assert_eq!(Scalar::plain("-9223372036854775808"), Scalar::Int(i128::from(i64::MIN)));
        assert_eq!(Scalar::plain("18446744073709551616"), Scalar::Float(18_446_744_073_709_551_616.0));
        assert_eq!(Scalar::plain(".5"), Scalar::Float(0.5));
        assert_eq!(Scalar::plain("-.inf"), Scalar::Float(f64::NEG_INFINITY));
    }
}
