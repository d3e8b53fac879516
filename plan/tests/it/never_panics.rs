//! Whatever is given for a plan, reading it ends, without a panic.

use proptest::prelude::*;

use crate::support::{self, FULL, GOOD, parse, parse_with, rendered};

/// Reads it, and shows what is wrong: the spans have to fit the text.
fn read(text: &str, set: &[&str]) {
    match parse_with(text, set) {
        Err(errors) => {
            assert!(!errors.problems.is_empty());
            let _ = rendered(&errors);
        }
        Ok(loaded) => {
            let again = parse(&loaded.resolved_yaml);
            assert!(again.is_ok(), "{text}\n{}\n{}", loaded.resolved_yaml, rendered(&again.unwrap_err()));
        }
    }
}

/// Pieces that YAML and plans give a meaning to.
const PIECES: [&str; 32] = [
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    "\"",
    "&a ",
    "*a",
    "? ",
    "| ",
    ">-\n",
    "---\n",
    "...\n",
    "#",
    "!!str ",
    "%YAML 1.2\n",
    "${A}",
    "://u:p@h",
    "ä",
    "\u{feff}",
    "\r\n",
    "\u{2028}",
    "key",
    "1%",
    "null",
    "\\",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_is_read(text in "\\PC{0,200}") {
        read(&text, &[&text]);
    }

    #[test]
    fn random_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&String::from_utf8_lossy(&bytes), &[]);
    }

    #[test]
    fn random_pieces_are_read(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        let text = pieces.concat();
        read(&text, &[&format!("tables.users.key={text}")]);
    }

    #[test]
    fn a_mutated_plan_is_read(
        full in any::<bool>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..8, prop::sample::select(&PIECES[..])), 1..6,
        ),
    ) {
        let mut text: Vec<char> = if full { FULL } else { GOOD }.chars().collect();
        for (at, cut, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        read(&text, &["tables.users.checks.0=row_count", "connections.app.url=x"]);
    }

    #[test]
    fn text_survives_resolving(name in "[^/\\\\.\\p{C}\\s][^/\\\\\\p{C}]{0,20}", sql in any::<String>()) {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let table = format!("tables:\n  {}:\n    sql: {}", quoted(&name), quoted(&sql));
        let text = format!("version: 1\nconnections: {{ app: x }}\ntarget: app\n{table}\n");
        let Ok(first) = parse(&text) else { return Ok(()) };
        prop_assert_eq!(&first.plan.tables[0].sql.as_ref().unwrap().value, &sql);
        let second = parse(&first.resolved_yaml).unwrap();
        prop_assert_eq!(support::bare(&first.plan), support::bare(&second.plan));
    }
}

#[test]
fn inputs_that_were_trouble_to_yaml_parsers() {
    let texts = [
        "{---",
        "...x",
        "...",
        "--- ---",
        "? ? ?",
        "[a, [b",
        "\"\\",
        "a: |9\n x",
        "%",
        "- - - -",
        "{a: *",
        "!<",
        "&",
    ];
    for text in texts {
        read(text, &[text]);
    }
}
