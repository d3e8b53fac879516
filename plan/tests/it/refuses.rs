//! Plans that are wrong, and what is said about them.

use insta::assert_snapshot;

use crate::support::{self, FULL, GOOD, parse, parse_with, problems, rendered};

/// The problems of the good plan with one text put for another.
fn spoilt(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    problems(parse(&GOOD.replace(from, to))).join("\n")
}

/// The problems of the good plan with more lines at its end, which belong to the table `orders`.
fn more(lines: &str) -> String {
    problems(parse(&format!("{GOOD}{lines}"))).join("\n")
}

/// Each text with what is said about it.
fn each<'a>(texts: impl IntoIterator<Item = &'a str>, say: impl Fn(&str) -> String) -> String {
    let said = texts.into_iter().map(|text| format!("# {}\n{}\n", text.trim().escape_debug(), say(text)));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn three_mistakes_are_all_shown() {
    let text = GOOD
        .replace("target: app", "target: ap")
        .replace("key: id", "kee: id")
        .replace("decimal(12,2)", "timestmap");
    assert_snapshot!(rendered(&parse(&text).unwrap_err()));
}

#[test]
fn mistakes_of_every_kind_come_in_the_order_of_the_file() {
    let text = "
version: 2
nam: x
connections:
  app: 7
  old: { ulr: x }
target: [app]
defaults: { timezone: Asia/Kolkatta, unicode: nfd, null_vs_empty: no }
tables:
  users: { from: [odl.users, users], key: { id: 1 }, dedup: { keep: first }, allow_empty: no }
  empty:
  both: { from: old.a, sql: SELECT 1, match: id, checks: [row_cuont, { orphan: { colum: x } }, 5] }
  other: { columns: { id: { surrogate: true }, x: { tolerance: -1, bits: exact, case: lower, references: usres } } }
phases:
  a: { sampling: { rate: 5 } }
  b: { sampling: { rate: 1%, keys: target } }
waivers:
  - { id: W, match: { table: uzers, outcome: chnged }, owner: me, until: 2026-13-01 }
gate: { pass_rate: 101%, inconclusive: blok }
report: { formats: [htm], mask: [usres.email, email], max_findings: -1 }
ignore: { old.a: '', a: b }
";
    assert_snapshot!(problems(parse(text)).join("\n"));
}

#[test]
fn what_must_be_there_is_missed() {
    let texts = ["name: x", "", "# nothing\n", "- a", "version: '1'\nconnections: {}\ntarget: x\ntables: {}"];
    assert_snapshot!(each(texts, |text| problems(parse(text)).join("\n")));
}

#[test]
fn names_are_looked_up() {
    assert_snapshot!(each(["odl.users", "users"], |text| spoilt("old.users", text)));
    assert_snapshot!(
        "names_in_tables",
        each(
            [
                "    checks: [row_dif]\n",
                "    checks:\n      - orphan: { colum: x }\n",
                "      user_id: { references: user }\n",
                "      note: { sa: text }\n",
            ],
            more
        )
    );
}

#[test]
fn checks_are_looked_at() {
    let lines = [
        "    checks: []\n",
        "    checks: row_count\n",
        "    checks: [row_count, row_count]\n",
        "    checks:\n      - orphan: { column: a }\n        row_diff:\n",
        "    checks:\n      - row_count: { allow_empty: 1 }\n",
        "    checks:\n      - coordinate: [x, y]\n",
        "    checks:\n      - json_field: { schema: { max: .inf } }\n",
    ];
    assert_snapshot!(each(lines, more));
}

#[test]
fn mappings_make_sense() {
    let lines = [
        "match: email",
        "sql: SELECT 1",
        "key: [id, id]",
        "allow_empty: no",
        "dedup: { by: email, keep: newest(created_at) }",
        "columns: { id: { surrogate: true }, note: , list: [a] }",
        "ignore: { a: , b: 7 }",
        "ignore: [a]",
    ];
    assert_snapshot!(each(lines, |line| spoilt("key: id", line)));
    assert_snapshot!("sources", each(["from: []", "where: x"], |line| spoilt("from: old.users", line)));
}

#[test]
fn shares_dates_and_waivers_are_exact() {
    let lines = [
        "gate: { pass_rate: 99 }\n",
        "gate: { pass_rate: high }\n",
        "phases: { a: { sampling: { rate: 0% } }, b: { sampling: {} } }\n",
        "waivers: [{ id: W, match: { table: users }, owner: o, reason: r, until: 2026-02-30 }]\n",
        "waivers: [{ id: W, match: { table: users }, owner: o, reason: r, until: 2026-02-03T10:00 }]\n",
        "waivers: [{ id: W, match: {}, owner: o, reason: r }]\n",
        "waivers: [{ id: W, match: { key: { a: 1 } }, owner: o, reason: r }]\n",
    ];
    assert_snapshot!(each(lines, more));
}

#[test]
fn yaml_itself_may_be_wrong() {
    let lines = [
        "    key: [id",
        "\tkey: id",
        "    from: old.more",
        "    <<: *x",
        "    key: !secret id",
        "    ? [a]\n    : b",
        "    key: &a [*a]",
        "---\nversion: 1",
    ];
    assert_snapshot!(each(lines, |line| spoilt("    key: id", line)));
}

#[test]
fn what_grows_without_bounds_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..8 {
        let again = format!("*a{}", i - 1);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", [again.as_str(); 10].join(", ")));
    }
    let chain: String = (1..40).map(|i| format!("a{i}: &a{i} [[[*a{}]]]\n", i - 1)).collect();
    for (text, expected) in [
        (bomb, "too large for a plan"),
        (
            format!("a: &a \"{}\"\nb: [{}]", "x".repeat(10_000), ["*a"; 5_000].join(", ")),
            "too large for a plan",
        ),
        (format!("a0: &a0 x\n{chain}"), "more than 64 lists and mappings"),
        (format!("x: {}x{}", "[".repeat(70), "]".repeat(70)), "more than 64 lists and mappings"),
        (format!("x: {}", "[".repeat(10_000)), "recursion limit exceeded"),
    ] {
        let found = problems(parse(&text)).join("\n");
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn unset_variables_are_named_where_they_stand() {
    let urls = ["postgres://${DB_USER}:${DB_PASSWORD}@host/${a b}", "${EMPTY}", "${OPEN"];
    assert_snapshot!(each(urls, |url| spoilt("sqlite:old.db", url)));
    let unset = parse(&GOOD.replace("sqlite:old.db", "${DB_URL}")).unwrap_err();
    assert_snapshot!("unset_variable", rendered(&unset));
}

#[test]
fn set_that_goes_nowhere_is_refused() {
    let arguments = [
        "gate",
        "=x",
        "tables.usres.key=id",
        "conections.app.url=x",
        "gate.pas_rate=1",
        "gate.pass_rate=200%",
        "gate.pass_rate=[1",
        "waivers.1.id=x",
        "tables.users.key.x=y",
        "tables.\"users.key=x",
        "connections.app.url=${NOT_SET}",
    ];
    assert_snapshot!(each(arguments, |argument| problems(parse_with(FULL, &[argument])).join("\n")));
    let spoilt = GOOD.replace("key: id", "kee: id");
    let both = parse_with(&spoilt, &["gate.pass_rate=2", "tables.users.chekcs=[row_count]"]);
    assert_snapshot!("set_beside_file", rendered(&both.unwrap_err()));
}

#[test]
fn files_that_are_no_plans_say_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("binary.yaml"), b"a\nb\xff\xfe").unwrap();
    std::fs::write(folder.path().join("sqlite.yaml"), b"SQLite format 3\0\x10\0\x01").unwrap();
    std::fs::write(folder.path().join("large.yaml"), vec![b'#'; 5 << 20]).unwrap();
    let known = counterfoil_plan::Known { validators: &[] };
    let said = each(["missing.yaml", "binary.yaml", "sqlite.yaml", "large.yaml", "."], |name| {
        let path = folder.path().join(name);
        let error = counterfoil_plan::load(&path, &[], &support::env, &known).unwrap_err();
        problems(Err(error)).join("\n").replace(&folder.path().display().to_string(), "DIR")
    });
    assert_snapshot!(said);
}
