//! Nothing passes unseen: fields and parts of maps that no column uses.

use crate::support::*;

#[test]
fn unused_fields_and_parts_of_maps_are_listed() {
    let rect = |rest| map([("x", int(1))].into_iter().chain(rest).collect());
    let case = Case::new()
        .from(
            "friday.reviews/highlights",
            vec![
                ("__id", vec![text("a"), text("b")]),
                (
                    "rect",
                    vec![
                        rect(vec![("y", int(2)), ("z", NULL)]),
                        rect(vec![("page", map(vec![("no", int(1))]))]),
                    ],
                ),
                ("color", vec![text("red"), NULL]),
                ("note", vec![text("n"), NULL]),
                ("state", vec![text("open"), text("open")]),
            ],
        )
        .target(&["x", "note", "other"])
        .filter("state = 'open'")
        .column("x", "rect.x")
        .column("note", "upper(note)");
    let expected = case.expected();
    let name = |field: &str, rows| (format!("friday.reviews/highlights.{field}"), rows);
    assert_eq!(
        expected.unmapped_source,
        [name("rect.page", 1), name("rect.y", 1), name("color", 2), name("state", 2)]
    );
    assert_eq!(expected.unmapped_target, ["other"]);
}

#[test]
fn a_whole_map_covers_its_parts() {
    let case = Case::new()
        .from("a.t", vec![("rect", vec![map(vec![("x", int(1)), ("y", int(2))])])])
        .target(&["rect", "x"])
        .column("x", "rect.x");
    assert!(case.expected().unmapped_source.is_empty());
}
