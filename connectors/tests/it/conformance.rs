//! Every connector passes the one suite.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use counterfoil_connectors::conformance::{Subject, TestTable, all};
use counterfoil_connectors::memory::Memory;
use counterfoil_connectors::{Connector, ConnectorError, Scan, open};
use counterfoil_model::{ColumnBuilder, TableFacts, Value};
use tempfile::TempDir;

/// A connector together with the folder that its files live in.
struct Kept {
    connector: Box<dyn Connector>,
    _folder: TempDir,
}

impl Connector for Kept {
    fn url(&self) -> &str {
        self.connector.url()
    }
    fn consistency(&self) -> String {
        self.connector.consistency()
    }
    fn tables(&self) -> Result<Vec<String>, ConnectorError> {
        self.connector.tables()
    }
    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError> {
        self.connector.facts(table)
    }
    fn scan(
        &self,
        table: &str,
        mixed: &std::collections::BTreeSet<String>,
    ) -> Result<Box<dyn Scan + '_>, ConnectorError> {
        self.connector.scan(table, mixed)
    }
}

fn batch(columns: &[(&str, Vec<Value>)]) -> RecordBatch {
    let built: Vec<_> = columns
        .iter()
        .map(|(name, values)| {
            let mut builder = ColumnBuilder::new();
            values.iter().cloned().for_each(|v| builder.push(v));
            if values.is_empty() {
                let kind = counterfoil_model::Type::Text;
                return (kind.field(name), counterfoil_model::column::build(kind, &[]));
            }
            builder.finish(name)
        })
        .collect();
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = built.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn in_folder(scheme: &str, write: impl Fn(&std::path::Path)) -> Box<dyn Connector> {
    let folder = TempDir::new().unwrap();
    write(folder.path());
    let connector = open(&format!("{scheme}:."), folder.path()).unwrap();
    Box::new(Kept { connector, _folder: folder })
}

fn check(subject: &Subject<'_>) {
    if let Err(law) = all(subject) {
        panic!("{law}");
    }
}

#[test]
fn memory() {
    let make = |tables: &[TestTable]| -> Box<dyn Connector> {
        Box::new(Memory::new(tables.iter().map(|(n, c)| ((*n).to_owned(), batch(c)))).unwrap())
    };
    check(&Subject { make: &make, holds: &|v| Some(v.clone()), keeps_empty: true, added: &[] });
}

#[test]
fn parquet() {
    let make = |tables: &[TestTable]| {
        in_folder("parquet", |folder| {
            for (name, columns) in tables {
                let batch = batch(columns);
                let file = std::fs::File::create(folder.join(format!("{name}.parquet"))).unwrap();
                let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
                writer.write(&batch).unwrap();
                writer.close().unwrap();
            }
        })
    };
    check(&Subject { make: &make, holds: &|v| Some(v.clone()), keeps_empty: true, added: &[] });
}

#[test]
fn arrow_ipc() {
    let make = |tables: &[TestTable]| {
        in_folder("arrow", |folder| {
            for (name, columns) in tables {
                let batch = batch(columns);
                let file = std::fs::File::create(folder.join(format!("{name}.arrow"))).unwrap();
                let mut writer = arrow::ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
                writer.write(&batch).unwrap();
                writer.finish().unwrap();
            }
        })
    };
    check(&Subject { make: &make, holds: &|v| Some(v.clone()), keeps_empty: true, added: &[] });
}

#[test]
fn csv() {
    let make = |tables: &[TestTable]| {
        in_folder("csv", |folder| {
            for (name, columns) in tables {
                let mut writer = csv::Writer::from_path(folder.join(format!("{name}.csv"))).unwrap();
                writer.write_record(columns.iter().map(|(n, _)| *n)).unwrap();
                for row in 0..columns[0].1.len() {
                    let text = |v: &Value| if v.is_null() { String::new() } else { v.to_string() };
                    writer.write_record(columns.iter().map(|(_, v)| text(&v[row]))).unwrap();
                }
            }
        })
    };
    // CSV holds text, and can't tell empty text from null.
    let holds = |v: &Value| matches!(v, Value::Text(s) if !s.is_empty()).then(|| v.clone());
    check(&Subject { make: &make, holds: &holds, keeps_empty: true, added: &[] });
}

#[test]
fn json_lines() {
    let make = |tables: &[TestTable]| {
        in_folder("jsonl", |folder| {
            for (name, columns) in tables {
                let mut text = String::new();
                for row in 0..columns[0].1.len() {
                    let entries = columns.iter().map(|(n, v)| ((*n).to_owned(), v[row].clone())).collect();
                    text.push_str(&Value::Map(entries).to_json_text());
                    text.push('\n');
                }
                std::fs::write(folder.join(format!("{name}.jsonl")), text).unwrap();
            }
        })
    };
    // What JSON has no form for is written as text, so it isn't held.
    let holds = |v: &Value| match v {
        Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => Some(v.clone()),
        Value::UInt(_) => Some(v.clone()),
        Value::Decimal(_) => Some(v.clone()),
        _ => None,
    };
    check(&Subject { make: &make, holds: &holds, keeps_empty: false, added: &[] });
}

#[test]
fn sqlite() {
    let make = |tables: &[TestTable]| {
        let folder = TempDir::new().unwrap();
        let db = rusqlite::Connection::open(folder.path().join("t.db")).unwrap();
        for (name, columns) in tables {
            let quoted = |n: &str| format!("\"{}\"", n.replace('"', "\"\""));
            let names: Vec<String> = columns.iter().map(|(n, _)| quoted(n)).collect();
            db.execute_batch(&format!("CREATE TABLE {} ({})", quoted(name), names.join(", "))).unwrap();
            let marks = vec!["?"; columns.len()].join(", ");
            let tx = db.unchecked_transaction().unwrap();
            let mut insert = tx.prepare(&format!("INSERT INTO {} VALUES ({marks})", quoted(name))).unwrap();
            for row in 0..columns[0].1.len() {
                let values = columns.iter().map(|(_, v)| match &v[row] {
                    Value::Null => rusqlite::types::Value::Null,
                    Value::Int(i) => rusqlite::types::Value::Integer(*i),
                    Value::Float(x) => rusqlite::types::Value::Real(*x),
                    Value::Text(s) => rusqlite::types::Value::Text(s.clone()),
                    Value::Bytes(b) => rusqlite::types::Value::Blob(b.clone()),
                    other => panic!("SQLite has no {other:?}"),
                });
                insert.execute(rusqlite::params_from_iter(values)).unwrap();
            }
            drop(insert);
            tx.commit().unwrap();
        }
        drop(db);
        let connector = open("sqlite:t.db", folder.path()).unwrap();
        Box::new(Kept { connector, _folder: folder }) as Box<dyn Connector>
    };
    let holds = |v: &Value| match v {
        // SQLite stores NaN as null.
        Value::Float(x) if x.is_nan() => None,
        Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bytes(_) => Some(v.clone()),
        _ => None,
    };
    check(&Subject { make: &make, holds: &holds, keeps_empty: false, added: &[] });
}
