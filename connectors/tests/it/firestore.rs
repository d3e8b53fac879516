//! Firestore managed exports: damage, and the values of real exports against an independent reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use counterfoil_connectors::conformance::{column, read};
use counterfoil_connectors::{Connector, ErrorKind, open};
use counterfoil_model::Value;
use serde_json::{Map, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn export(path: &Path) -> Result<Box<dyn Connector>, counterfoil_connectors::ConnectorError> {
    open(&format!("firestore-export:{}", path.display()), Path::new(""))
}

/// Every folder below fixtures that holds an export.
fn exports() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![fixtures()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "overall_export_metadata") {
                found.push(path.parent().unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// A value in the oracle's lossless, tagged form.
fn tagged(value: &Value) -> serde_json::Value {
    let bits = |x: f64| format!("{:016x}", x.to_bits());
    match value {
        Value::Null => json!(null),
        Value::Bool(b) => json!({ "bool": b }),
        Value::Int(i) => json!({ "int": i.to_string() }),
        Value::Float(x) => json!({ "double": bits(*x) }),
        Value::Text(s) => json!({ "string": s }),
        Value::Bytes(b) => json!({ "bytes": base64(b) }),
        Value::Timestamp(n) => json!({ "timestamp_us": (n / 1000).to_string() }),
        Value::Geo(lat, lon) => json!({ "geopoint": [bits(*lat), bits(*lon)] }),
        Value::Ref(path) => json!({ "reference": path }),
        Value::List(items) => json!({ "array": items.iter().map(tagged).collect::<Vec<_>>() }),
        Value::Map(entries) => {
            json!({ "map": entries.iter().map(|(k, v)| (k.clone(), tagged(v))).collect::<Map<_, _>>() })
        }
        other => panic!("exports have no {other:?}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let symbol = SYMBOLS[(word >> (18 - 6 * at)) as usize & 63] as char;
            out.push(if at > chunk.len() { '=' } else { symbol });
        }
    }
    out
}

#[test]
fn every_document_is_what_an_independent_reader_sees() {
    let Some(python) = std::env::var_os("COUNTERFOIL_ORACLE_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set COUNTERFOIL_ORACLE_PYTHON: tests/run does");
        eprintln!("skipped: COUNTERFOIL_ORACLE_PYTHON is not set; tests/run sets it");
        return;
    };
    let script = fixtures().join("../tests/oracle/read_export.py");
    let exports = exports();
    assert!(exports.len() >= 4, "{exports:?}");
    for folder in exports {
        let output = Command::new(&python).arg(&script).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut theirs = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let document: serde_json::Value = serde_json::from_str(line).unwrap();
            theirs.insert(document["path"].as_str().unwrap().to_owned(), document["fields"].clone());
        }
        let mut ours = BTreeMap::new();
        let connector = export(&folder).unwrap();
        for table in connector.tables().unwrap() {
            let batches = read(connector.as_ref(), &table).unwrap();
            let facts = connector.facts(&table).unwrap();
            let columns: Vec<_> =
                facts.columns.iter().map(|c| (&c.name, column(&batches, &c.name).unwrap())).collect();
            for row in 0..columns[0].1.len() {
                let mut fields = Map::new();
                for (name, values) in columns.iter().filter(|(n, _)| !n.starts_with("__")) {
                    fields.insert((*name).clone(), tagged(&values[row]));
                }
                ours.insert(columns[1].1[row].to_string(), serde_json::Value::Object(fields));
            }
        }
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "{}",
            folder.display()
        );
        for (path, fields) in &ours {
            // A missing field is null in a column; the oracle leaves it out.
            let wanted = theirs[path].as_object().unwrap();
            for (name, value) in fields.as_object().unwrap() {
                let there = wanted.get(name).cloned().unwrap_or(json!(null));
                let there = if there == json!({ "null": null }) { json!(null) } else { there };
                assert_eq!(nulls_plain(value.clone()), nulls_plain(there), "{path} {name}");
            }
            assert!(wanted.keys().all(|k| fields.get(k).is_some()), "{path}: no field is lost");
        }
    }
}

/// `{"null": ...}` and null are one.
fn nulls_plain(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) if map.len() == 1 && map.contains_key("null") => json!(null),
        // The oracle also tells the project and database of a reference, which a path doesn't have.
        serde_json::Value::Object(map) if map.contains_key("reference") => {
            json!({ "reference": map["reference"] })
        }
        serde_json::Value::Object(map) => {
            map.into_iter().map(|(k, v)| (k, nulls_plain(v))).collect::<Map<_, _>>().into()
        }
        serde_json::Value::Array(items) => items.into_iter().map(nulls_plain).collect(),
        other => other,
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn output(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "output-0" {
                return entry.path();
            }
        }
    }
    panic!("no output-0");
}

#[test]
fn any_damage_is_an_error_with_file_and_offset() {
    let source = exports().into_iter().find(|p| p.to_string_lossy().contains("codable-guide")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(&source, folder.path());
    let path = output(folder.path());
    let whole = fs::read(&path).unwrap();
    let documents = |c: &dyn Connector| -> usize {
        c.tables()
            .unwrap()
            .iter()
            .map(|t| read(c, t).unwrap().iter().map(|b| b.num_rows()).sum::<usize>())
            .sum()
    };
    let all = documents(export(folder.path()).unwrap().as_ref());
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, &bytes).unwrap();
        let error = export(folder.path()).err().unwrap_or_else(|| panic!("byte {at} was flipped unseen"));
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.to_string().contains("output-0: byte "), "{error}");
    }
    for length in (1..whole.len()).step_by(11) {
        fs::write(&path, &whole[..length]).unwrap();
        // A cut between two records leaves a whole file with fewer documents, which its count gives away.
        match export(folder.path()) {
            Err(error) => assert!(error.to_string().contains("output-0"), "{error}"),
            Ok(connector) => {
                panic!("cut to {length} bytes unseen: {} of {all} documents", documents(connector.as_ref()))
            }
        }
    }
    fs::remove_file(&path).unwrap();
    let error = export(folder.path()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains("output-0"));
}
