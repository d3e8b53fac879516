//! Elements of lists as rows.

use counterfoil_model::Value;

use crate::support::*;

fn rfis() -> Case {
    let answer = |t: &str| map(vec![("text", text(t)), ("score", int(1))]);
    let question = |title: &str, answers: Value| map(vec![("title", text(title)), ("answers", answers)]);
    Case::new().from(
        "friday.rfis",
        vec![
            ("__id", vec![text("r1"), text("r2"), text("r3")]),
            ("tags", vec![list(vec![text("a"), text("b")]), list(vec![]), NULL]),
            (
                "questions",
                vec![
                    list(vec![
                        question("q1", list(vec![answer("yes"), answer("no")])),
                        question("q2", list(vec![])),
                        question("q3", list(vec![answer("perhaps")])),
                    ]),
                    NULL,
                    list(vec![map(vec![("title", text("q4"))])]),
                ],
            ),
        ],
    )
}

#[test]
fn each_element_is_a_row() {
    let case = rfis()
        .explode("tags")
        .target(&["rfi", "tag", "position"])
        .column("rfi", "__id")
        .column("tag", "__item")
        .column("position", "__index");
    let expected = case.expected();
    assert_eq!(values(&expected, "rfi"), [text("r1"), text("r1")]);
    assert_eq!(values(&expected, "tag"), [text("a"), text("b")]);
    assert_eq!(values(&expected, "position"), [int(0), int(1)]);
    let account = &expected.lineage.sources[0];
    assert_eq!((account.rows, account.filtered, account.exploded, account.kept), (3, 0, 2, 2));
    assert_eq!(expected.lineage.origins[1].key, text("r1"));
    assert_eq!(expected.unmapped_source, [("friday.rfis.questions".into(), 3)]);
}

#[test]
fn nested_lists_explode_through_and_keep_their_parents() {
    let case = rfis()
        .explode("questions.answers")
        .target(&["answer", "question", "q", "a", "shout"])
        .column("answer", "__item.text")
        .column("question", "__parent_item.title")
        .column("q", "__parent_index")
        .column("a", "__index")
        .column("shout", "upper(__item.text)");
    let expected = case.expected();
    assert_eq!(values(&expected, "answer"), [text("yes"), text("no"), text("perhaps")]);
    assert_eq!(values(&expected, "question"), [text("q1"), text("q1"), text("q3")]);
    assert_eq!(values(&expected, "q"), [int(0), int(0), int(2)]);
    assert_eq!(values(&expected, "a"), [int(0), int(1), int(0)]);
    assert_eq!(values(&expected, "shout"), [text("YES"), text("NO"), text("PERHAPS")]);
    assert_eq!(
        expected.unmapped_source,
        [("friday.rfis.tags".into(), 3), ("friday.rfis.questions.answers[].score".into(), 3)]
    );
}

#[test]
fn only_lists_explode() {
    let case = Case::new()
        .from("a.t", vec![("__id", vec![text("u7")]), ("roles", vec![text("admin")])])
        .explode("roles")
        .target(&["role"])
        .column("role", "__item");
    assert_eq!(case.message(6), "'roles' of row \"u7\" in a.t is a text, not a list");
    assert_eq!(rfis().explode("tag").message(6), "unknown field 'tag' (did you mean 'tags'?)");
    assert!(rfis().explode("upper(tags)").message(6).contains("takes the name of a list"));
}

#[test]
fn where_comes_first() {
    let case = rfis().filter("__id <> 'r1'").explode("tags").target(&["tag"]).column("tag", "__item");
    let expected = case.expected();
    assert_eq!(expected.rows.batch().unwrap().num_rows(), 0);
    let account = &expected.lineage.sources[0];
    assert_eq!((account.filtered, account.exploded, account.kept), (1, 0, 0));
}
