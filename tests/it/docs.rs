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
