//! Rows that are one.

use counterfoil_model::lineage::RowOrigin;
use counterfoil_model::plan::{ColumnPlan, Spanned};
use counterfoil_model::{ReadAs, Value};

use crate::support::*;

fn users() -> Case {
    Case::new()
        .from(
            "friday.users",
            vec![
                ("__id", vec![text("f1"), text("f2"), text("f3"), text("f4")]),
                ("email", vec![text("Ann@x"), text("bob@x"), NULL, text("")]),
                ("createdAt", vec![int(5), int(6), int(1), int(1)]),
            ],
        )
        .from(
            "mwr.users",
            vec![
                ("__id", vec![text("m1"), text("m2"), text("m3"), text("m4")]),
                ("email", vec![text("ann@X"), text("BOB@x"), NULL, text("")]),
                ("createdAt", vec![int(3), NULL, int(1), int(1)]),
            ],
        )
        .target(&["email", "created_at", "id"])
        .column("email", "lower(email)")
        .column("id", "__id")
}

fn origin(source: usize, key: &str) -> RowOrigin {
    RowOrigin { source, key: text(key) }
}

fn ids(case: &Case) -> String {
    case.values("id").iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_stays_and_merges_are_told() {
    let expected = users().dedup("email", Some(("created_at", false))).expected();
    // Nulls and empty texts are nobody's identity; a null in the deciding column comes last.
    let ids: Vec<Value> = values(&expected, "id");
    assert_eq!(ids, ["f2", "f3", "f4", "m1", "m3", "m4"].map(text));
    let merges: Vec<_> = expected
        .lineage
        .merges
        .iter()
        .map(|m| (m.from.clone(), m.into.clone(), m.identity.clone()))
        .collect();
    assert_eq!(
        merges,
        [
            (origin(0, "f1"), origin(1, "m1"), text("ann@x")),
            (origin(1, "m2"), origin(0, "f2"), text("bob@x")),
        ]
    );
    let accounts: Vec<_> = expected.lineage.sources.iter().map(|s| (s.rows, s.merged, s.kept)).collect();
    assert_eq!(accounts, [(4, 1, 3), (4, 1, 3)]);
    assert_eq!(expected.lineage.origins[3], origin(1, "m1"));
    let identities = expected.identities.unwrap();
    assert_eq!(identities.expected, [text("bob@x"), NULL, text(""), text("ann@x"), NULL, text("")]);
    assert_eq!(identities.sources[0], [text("ann@x"), text("bob@x"), NULL, text("")]);
}

#[test]
fn last_and_ties() {
    assert_eq!(ids(&users().dedup("email", Some(("created_at", true)))), "f1 f2 f3 f4 m3 m4");
    assert_eq!(ids(&users().dedup("email", None)), "f1 f2 f3 f4 m3 m4");
    let tie = |order: [&str; 2]| {
        let source = |id: &str| vec![("__id", vec![text(id)]), ("e", vec![text("same")])];
        let case = Case::new().from("b.t", source(order[0])).from("a.t", source(order[1]));
        ids(&case.target(&["id", "e"]).column("id", "__id").dedup("e", Some(("e", true))))
    };
    // The order of the sources in the plan decides before the keys do.
    assert_eq!(tie(["z", "a"]), "z");
    let one = Case::new()
        .from("a.t", vec![("__id", vec![text("k2"), text("k1")]), ("e", vec![text("s"), text("s")])])
        .target(&["id", "e"])
        .column("id", "__id");
    assert_eq!(ids(&one.dedup("e", None)), "k1");
}

#[test]
fn the_deciding_column_is_read_as_the_plan_says() {
    let source =
        |id: &str, at: Value| vec![("__id", vec![text(id)]), ("e", vec![text("s")]), ("at", vec![at])];
    let mut case = Case::new()
        .from("a.t", source("late", text("2024-06-01T00:00:00+02:00")))
        .from("b.t", source("early", Value::Timestamp(1_700_000_000_000_000_000)))
        .target(&["id", "e", "at"])
        .column("id", "__id")
        .dedup("e", Some(("at", false)));
    // Without a type, text comes before times.
    assert_eq!(ids(&case), "late");
    let read: ReadAs = "timestamp".parse().unwrap();
    let read = Some(Spanned::new(read, at(11, "").origin));
    case.plan.columns.push(ColumnPlan { name: at(11, "at"), read, ..Default::default() });
    assert_eq!(ids(&case), "early");
}

#[test]
fn identities_are_values_not_texts() {
    let case = Case::new()
        .from("a.t", vec![("n", vec![int(1), int(2)])])
        .from("b.t", vec![("n", vec![decimal("1.5"), Value::Float(1.0)])])
        .dedup("n", None);
    assert_eq!(case.values("n"), [int(1), int(2), decimal("1.5")]);
}

#[test]
fn wrong_dedups_are_errors() {
    let message = users().dedup("lower(mail)", None).message(7);
    assert_eq!(message, "unknown field 'mail' (did you mean 'email'?)");
    let message = users().dedup("email", Some(("createdAt", false))).message(7);
    assert_eq!(message, "no mapped column 'createdAt' (did you mean 'created_at'?)");
    let mut minted = users().dedup("id", None);
    minted.plan.columns[1].surrogate = true;
    assert_eq!(minted.message(7), "'id' is minted by the target");
}
