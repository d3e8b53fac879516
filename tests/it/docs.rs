//! Docs that are generated stay what the code says.

use crate::support::{Ran, counterfoil, root};

#[test]
fn the_validators_page_is_the_catalogue() {
    let print = |args: &[&str]| -> String {
        let ran: Ran = counterfoil().args(args).output().expect("it starts").into();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    let list = print(&["validators"]);
    let mut page = String::from(
        "<!-- Generated: UPDATE_DOCS=1 cargo test --test it the_validators_page writes it anew. -->\n\n# Validators\n\n```text\n",
    );
    page.push_str(&list);
    page.push_str("```\n");
    for name in list.lines().filter_map(|l| l.split_whitespace().next()) {
        // One heading deeper than on the terminal, below the page's own.
        let own = print(&["validators", name]);
        page.push('\n');
        for line in own.lines() {
            page.push_str(if line.starts_with('#') { "#" } else { "" });
            page.push_str(line);
            page.push('\n');
        }
    }
    let path = root().join("docs/validators.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    assert!(
        std::fs::read_to_string(&path).expect("docs/validators.md") == page,
        "docs/validators.md is not what the code says"
    );
}

/// A report without its times and memory, which differ between any two runs of the same plan.
fn timeless(text: &str) -> String {
    let (head, rest) = text.split_once("\n## Tables").expect("a report");
    let is_time = |cell: &&str| cell.trim().ends_with('Z') && cell.trim().starts_with("20");
    let lines = head
        .lines()
        .filter(|l| !l.starts_with("| peak memory"))
        .map(|l| l.split('|').filter(|cell| !is_time(cell)).collect::<Vec<_>>().join("|"));
    lines.collect::<Vec<_>>().join("\n") + rest
}

#[test]
fn the_report_to_look_at_is_what_the_program_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("moonlanding");
    let run =
        counterfoil().args(["run", "fixtures/moonlanding/plan.yaml", "--quiet", "--out"]).arg(&out).output();
    assert_eq!(Ran::from(run.expect("it starts")).code, 1);
    let report = std::fs::read_to_string(out.join("report.md")).expect("report.md");
    let path = root().join("docs/examples/moonlanding.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &report).expect("written");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/examples/moonlanding.md");
    assert!(
        timeless(&kept) == timeless(&report),
        "docs/examples/moonlanding.md: UPDATE_DOCS=1 writes it anew"
    );
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = counterfoil()
        .args(["run", "fixtures/moonlanding/plan.yaml", "--out"])
        .arg(folder.path().join("run"))
        .output();
    let printed = Ran::from(run.expect("it starts")).stdout;
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let block = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let shown = block.lines().filter(|l| !l.is_empty() && *l != "…" && !l.starts_with("report: "));
    let mut rest = printed.as_str();
    for line in shown {
        let at = rest
            .find(&format!("{line}\n"))
            .unwrap_or_else(|| panic!("'{line}' is not printed here:\n{rest}"));
        rest = &rest[at + line.len()..];
    }
}
