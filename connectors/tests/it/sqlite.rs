//! SQLite's own traps.

use counterfoil_connectors::conformance::{column, read};
use counterfoil_connectors::{Connector, ErrorKind, open};
use counterfoil_model::Value;
use rusqlite::Connection;
use tempfile::TempDir;

fn database(sql: &str) -> (TempDir, Box<dyn Connector>) {
    let folder = TempDir::new().unwrap();
    Connection::open(folder.path().join("t.db")).unwrap().execute_batch(sql).unwrap();
    let connector = open("sqlite:t.db", folder.path()).unwrap();
    (folder, connector)
}

fn values(connector: &dyn Connector, table: &str, name: &str) -> Vec<Value> {
    column(&read(connector, table).unwrap(), name).unwrap()
}

fn text(s: &str) -> Value {
    Value::Text(s.into())
}

#[test]
fn dynamic_typing_is_kept_value_by_value() {
    let (_folder, db) = database(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, r REAL, d NUMERIC(10,2), b BLOB);
         INSERT INTO t VALUES (1, 5, 1.5, 2, x'00'), (2, 'five', 'x', '2.50', 'text'), (3, NULL, 2, 'abc', 7), (4, 1.5, NULL, 0.5, NULL);",
    );
    assert_eq!(values(db.as_ref(), "t", "n"), [Value::Int(5), text("five"), Value::Null, Value::Float(1.5)]);
    assert_eq!(values(db.as_ref(), "t", "r"), [Value::Float(1.5), text("x"), Value::Float(2.0), Value::Null]);
    assert_eq!(
        values(db.as_ref(), "t", "d"),
        [Value::Int(2), Value::Float(2.5), text("abc"), Value::Float(0.5)]
    );
    assert_eq!(
        values(db.as_ref(), "t", "b"),
        [Value::Bytes(vec![0]), text("text"), Value::Int(7), Value::Null]
    );
}

#[test]
fn text_that_is_not_utf8_is_kept_as_bytes() {
    let (_folder, db) =
        database("CREATE TABLE t(a TEXT); INSERT INTO t VALUES ('ok'), (CAST(x'ff41' AS TEXT));");
    assert_eq!(values(db.as_ref(), "t", "a"), [text("ok"), Value::Bytes(vec![0xff, 0x41])]);
}

#[test]
fn views_generated_columns_and_tables_without_rowid_are_read() {
    let (_folder, db) = database(
        "CREATE TABLE t(a TEXT PRIMARY KEY, b INTEGER, c INTEGER AS (b * 2) STORED, d AS (b + 1)) WITHOUT ROWID;
         INSERT INTO t(a, b) VALUES ('x', 1), ('y', 2); CREATE VIEW v AS SELECT a, c FROM t;",
    );
    assert_eq!(db.tables().unwrap(), ["t", "v"]);
    assert_eq!(values(db.as_ref(), "t", "c"), [Value::Int(2), Value::Int(4)]);
    assert_eq!(values(db.as_ref(), "t", "d"), [Value::Int(2), Value::Int(3)]);
    assert_eq!(values(db.as_ref(), "v", "c"), [Value::Int(2), Value::Int(4)]);
    let facts = db.facts("t").unwrap();
    assert_eq!(facts.primary_key, ["a"]);
    assert!(facts.column("c").unwrap().generated && facts.column("d").unwrap().generated);
}

#[test]
fn facts_tell_keys_and_constraints() {
    let (_folder, db) = database(
        "CREATE TABLE p(a INTEGER, b TEXT, PRIMARY KEY (b, a));
         CREATE TABLE c(id INTEGER PRIMARY KEY, b TEXT NOT NULL DEFAULT 'x', a INTEGER, e TEXT UNIQUE, q INTEGER REFERENCES r,
                        FOREIGN KEY (b, a) REFERENCES p(b, a));
         CREATE TABLE r(id INTEGER PRIMARY KEY); CREATE UNIQUE INDEX part ON c(a) WHERE a > 1;",
    );
    assert_eq!(db.facts("p").unwrap().primary_key, ["b", "a"]);
    let facts = db.facts("c").unwrap();
    assert_eq!(facts.unique, [["e"]], "a partial index makes nothing unique");
    let keys: Vec<_> = facts
        .foreign_keys
        .iter()
        .map(|k| (k.columns.join(","), k.table.as_str(), k.references.join(",")))
        .collect();
    assert!(
        keys.contains(&("b,a".into(), "p", "b,a".into())) && keys.contains(&("q".into(), "r", "id".into())),
        "{keys:?}"
    );
    let b = facts.column("b").unwrap();
    assert!(b.not_null && b.default.as_deref() == Some("'x'") && b.declared.as_deref() == Some("TEXT"));
}

#[test]
fn all_tables_are_seen_at_one_moment_even_while_a_writer_goes_on() {
    let folder = TempDir::new().unwrap();
    let writer = Connection::open(folder.path().join("t.db")).unwrap();
    writer
        .execute_batch(
            "PRAGMA journal_mode = wal; CREATE TABLE a(x); CREATE TABLE b(x); INSERT INTO a VALUES (1);",
        )
        .unwrap();
    let db = open("sqlite:t.db", folder.path()).unwrap();
    writer.execute_batch("INSERT INTO a VALUES (2); INSERT INTO b VALUES (2);").unwrap();
    assert_eq!(values(db.as_ref(), "a", "x"), [Value::Int(1)]);
    assert_eq!(values(db.as_ref(), "b", "x"), []);
}

#[test]
fn what_can_not_be_opened_says_why() {
    let folder = TempDir::new().unwrap();
    let kind = |name: &str| {
        open(&format!("sqlite:{name}"), folder.path()).err().map(|e| (e.kind.clone(), e.to_string()))
    };
    let (missing, message) = kind("no.db").unwrap();
    assert_eq!(missing, ErrorKind::NotFound);
    assert!(message.contains("no.db") && !folder.path().join("no.db").exists());
    std::fs::write(folder.path().join("text.db"), "no database at all ".repeat(200)).unwrap();
    assert_eq!(kind("text.db").unwrap().0, ErrorKind::Corrupt);
    std::fs::create_dir(folder.path().join("dir.db")).unwrap();
    assert_eq!(kind("dir.db").unwrap().0, ErrorKind::Corrupt);
    // An empty file is an empty database, as SQLite has it.
    std::fs::write(folder.path().join("empty.db"), "").unwrap();
    assert!(open("sqlite:empty.db", folder.path()).unwrap().tables().unwrap().is_empty());
}

#[test]
fn a_damaged_page_is_an_error_not_fewer_rows() {
    let (folder, db) = database(
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, 'some text '||i FROM n;",
    );
    drop(db);
    let path = folder.path().join("t.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 200].fill(0xaa);
    std::fs::write(&path, bytes).unwrap();
    let db = open("sqlite:t.db", folder.path()).unwrap();
    assert!(read(db.as_ref(), "t").unwrap_err().contains("malformed"));
}

#[test]
fn files_written_since_the_transaction_began_stand_for_nothing() {
    for journal in ["wal", "delete"] {
        let folder = TempDir::new().unwrap();
        let writer = Connection::open(folder.path().join("t.db")).unwrap();
        writer.execute_batch(&format!("PRAGMA journal_mode = {journal}; CREATE TABLE t(x);")).unwrap();
        let db = open("sqlite:t.db", folder.path()).unwrap();
        assert_eq!(db.source_files().map(|files| files.len()), Some(2), "{journal}");
        drop(db);
        let db = open("sqlite:t.db", folder.path()).unwrap();
        // In rollback mode a reader keeps writers out; whoever writes around SQLite is told all the same.
        if writer.execute_batch("PRAGMA busy_timeout = 0; INSERT INTO t VALUES (1);").is_err() {
            let path = folder.path().join("t.db");
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        }
        assert_eq!(db.source_files(), None, "{journal}");
    }
}
