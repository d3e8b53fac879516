//! Free SQL over several sources.

use counterfoil_model::Value;

use crate::support::*;

fn sources() -> Case {
    Case::new()
        .source(
            "friday.users",
            batch(vec![
                ("__id", vec![text("u1"), text("u2"), text("u3")]),
                ("name", vec![text("Ann"), text("Bob"), text("Cy")]),
                (
                    "roles",
                    vec![list(vec![text("admin"), text("dev")]), list(vec![text("dev")]), list(vec![])],
                ),
                ("address", vec![map(vec![("city", text("Rome"))]), NULL, map(vec![("city", text("Oslo"))])]),
                ("secret", vec![int(1), int(2), int(3)]),
            ]),
        )
        .source(
            "friday.reviews/highlights",
            batch(vec![
                ("__id", vec![text("h1"), text("h2"), text("h3")]),
                ("owner", vec![text("u2"), text("u1"), text("u9")]),
                ("size", vec![int(10), int(20), int(9_007_199_254_740_993)]),
            ]),
        )
}

#[test]
fn joins_over_compound_names_and_subcollections() {
    let case = sources()
        .sql(
            "SELECT h.__id AS highlight_id, u.name AS OwnerName, h.size FROM \"friday.reviews/highlights\" h \
              JOIN friday.users AS u ON h.owner = u.__id",
        )
        .target(&["highlight_id", "owner_name", "size", "more"]);
    let expected = case.expected();
    assert_eq!(values(&expected, "highlight_id"), [text("h1"), text("h2")]);
    assert_eq!(values(&expected, "owner_name"), [text("Bob"), text("Ann")]);
    assert_eq!(values(&expected, "size"), [int(10), int(20)]);
    assert_eq!(expected.unmapped_target, ["more"]);
    let unused: Vec<_> = expected.unmapped_source.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(unused, ["friday.users.roles", "friday.users.address", "friday.users.secret"]);
    assert!(expected.lineage.origins.is_empty());
    let account = &expected.lineage.sources[0];
    assert_eq!(account.source, "sql (friday.reviews/highlights, friday.users)");
    assert_eq!((account.rows, account.kept), (2, 2));
}

#[test]
fn columns_may_be_qualified_in_every_way() {
    for name in ["friday.users.name", "users.name", "\"friday.users\".name", "name"] {
        let case = sources().sql(&format!("SELECT {name} AS n FROM friday.users WHERE {name} <> 'Ann'"));
        assert_eq!(case.values("n"), [text("Bob"), text("Cy")], "{name}");
    }
    let left = sources().sql(
        "SELECT friday.users.name AS n, s.size FROM friday.users \
         LEFT JOIN friday.\"reviews/highlights\" s ON users.__id = s.owner",
    );
    assert_eq!(left.values("size"), [int(20), int(10), NULL]);
}

#[test]
fn lists_unnest_and_paths_reach_into_maps() {
    let case =
        sources().sql("SELECT u.__id AS id, role FROM friday.users u CROSS JOIN UNNEST(u.roles) AS role");
    let expected = case.expected();
    let pairs: Vec<_> = values(&expected, "id").into_iter().zip(values(&expected, "role")).collect();
    assert_eq!(
        pairs,
        [
            (text("u1"), text("admin")),
            (text("u1"), text("dev")),
            (text("u2"), text("dev")),
            (text("u3"), NULL),
        ]
    );
    let paths = sources()
        .sql("SELECT upper(u.address.city) AS city FROM friday.users u WHERE u.address.city IS NOT NULL");
    assert_eq!(paths.values("city"), [text("OSLO"), text("ROME")]);
}

#[test]
fn expressions_groups_and_common_tables() {
    let case = sources().sql(
        "WITH big AS (SELECT owner, size + 1 AS s FROM \"friday.reviews/highlights\") \
         SELECT owner, SUM(s) AS total, COUNT(*) AS n FROM big GROUP BY owner",
    );
    let expected = case.expected();
    assert_eq!(values(&expected, "owner"), [text("u1"), text("u2"), text("u9")]);
    assert_eq!(values(&expected, "total"), [decimal("21"), decimal("11"), decimal("9007199254740994")]);
    assert_eq!(values(&expected, "n"), [int(1), int(1), int(1)]);
}

#[test]
fn arithmetic_is_checked_in_every_part_of_a_query() {
    let big = "\"friday.reviews/highlights\"";
    for (query, wanted) in [
        (format!("SELECT s FROM (SELECT size + 1 AS s FROM {big} WHERE size < 15) AS part"), vec![int(11)]),
        (
            format!(
                "WITH a(s) AS (SELECT size + 1 FROM {big}), b AS (SELECT s + 1 AS s FROM a) SELECT s FROM b WHERE s < 20"
            ),
            vec![int(12)],
        ),
        (
            format!(
                "SELECT size + 1 AS s FROM {big} WHERE size = 10 UNION ALL SELECT size - 1 AS s FROM {big} WHERE size = 20"
            ),
            vec![int(11), int(19)],
        ),
        (
            format!(
                "SELECT size AS s FROM {big} WHERE owner IN (SELECT __id FROM friday.users WHERE secret = 1)"
            ),
            vec![int(20)],
        ),
    ] {
        assert_eq!(sources().sql(&query).values("s"), wanted, "{query}");
        let overflow = query.replace("+ 1", "+ 9223372036854775807");
        if overflow != query {
            assert!(sources().sql(&overflow).message(8).contains("does not fit 64 bits"), "{overflow}");
        }
    }
}

#[test]
fn comparisons_are_exact_in_where_and_joins_stay_joins() {
    let case = |sql: &str| {
        let amounts = vec![decimal("99999999999999999999999999999999999.1"), decimal("0.1")];
        let rows = vec![("id", vec![int(1), int(2)]), ("d", amounts)];
        Case::new().source("a.t", batch(rows)).sql(sql).values("id")
    };
    assert_eq!(case("SELECT id FROM a.t WHERE d > 0.12345"), [int(1)]);
    assert_eq!(case("SELECT t.id FROM a.t AS t JOIN a.t AS u ON t.id = u.id WHERE u.d > 0.12345"), [int(1)]);
    assert_eq!(case("SELECT t.id FROM a.t AS t, a.t AS u WHERE t.id = u.id AND t.id < 2"), [int(1)]);
    assert_eq!(case("SELECT id FROM a.t GROUP BY id HAVING SUM(d) > 0.12345"), [int(1)]);
}

#[test]
fn columns_and_dedup_work_over_the_result() {
    let case = sources()
        .sql("SELECT __id, name FROM friday.users UNION ALL SELECT __id, name FROM friday.users")
        .target(&["id", "name"])
        .column("id", "upper(__id)")
        .dedup("id", None);
    let expected = case.expected();
    assert_eq!(values(&expected, "id"), [text("U1"), text("U2"), text("U3")]);
    assert_eq!(expected.lineage.sources[0].merged, 3);
}

#[test]
fn wrong_queries_are_errors_at_their_line() {
    let message = |sql: &str| sources().sql(sql).message(8);
    assert_eq!(
        message("SELECT 1 FROM friday.user"),
        "unknown source 'friday.user' (did you mean 'friday.users'?)"
    );
    assert!(message("SELEC 1").contains("not a SQL query"), "{}", message("SELEC 1"));
    assert_eq!(message("DROP TABLE friday.users"), "'sql' takes one SELECT query");
    assert_eq!(
        message("SELECT lowr(name) FROM friday.users"),
        "unknown function 'lowr' (did you mean 'lower'?)"
    );
    assert!(message("SELECT nam FROM friday.users").contains("nam"));
    assert!(message("SELECT address FROM friday.users").contains("holds maps"));
    assert!(message("SELECT * FROM friday.users").contains("holds maps"));
    assert!(message("SELECT u.address.town FROM friday.users u").contains("no row has 'town' in 'address'"));
    assert!(message("SELECT * FROM read_csv('x.csv')").contains("unknown source 'read_csv'"));
    let overflow = "SELECT h.size * 9007199254740993 AS x FROM \"friday.reviews/highlights\" h";
    assert!(message(overflow).contains("does not fit 64 bits"), "{}", message(overflow));
}

#[test]
fn the_order_of_rows_is_the_same_every_time() {
    let many = |n: i64| (0..n).map(|i| int(i * 7919 % n)).collect::<Vec<Value>>();
    let case = Case::new()
        .source("a.t", batch(vec![("k", many(2000)), ("v", many(2000))]))
        .source("a.u", batch(vec![("k", many(1000)), ("w", many(1000))]))
        .sql("SELECT t.k, t.v, u.w FROM a.t AS t JOIN a.u AS u ON t.k = u.k");
    let first = case.expected().rows.batch().unwrap();
    assert_eq!(first.num_rows(), 1000);
    for _ in 0..5 {
        assert_eq!(case.expected().rows.batch().unwrap(), first);
    }
}
