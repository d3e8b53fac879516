//! The same cases through DuckDB, where it has the types: an engine that nobody here wrote.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arrow::array::RecordBatch;
use counterfoil_model::Type;
use counterfoil_model::finding::RowOutcomes;
use parquet::arrow::ArrowWriter;
use serde_json::{Value as Json, json};

use crate::generate::{Case, Rng};
use crate::{fast, pair, tables};

/// How many cases are looked through for those that DuckDB can do.
const CASES: u64 = 6_000;

/// Types that DuckDB reads from Parquet as they are, and of which it thinks alike when two values are equal. Floats are
/// not among them: it takes -0 and 0 for one value.
fn understood(kind: Type) -> bool {
    use Type::{Bool, Bytes, Date, Decimal, Int, LocalTimestamp, Ref, Text, Timestamp, UInt};
    match kind {
        Decimal { precision, .. } => precision <= 38,
        other => matches!(other, Bool | Int | UInt | Text | Bytes | Date | Ref | Timestamp | LocalTimestamp),
    }
}

fn write(batch: &RecordBatch, path: &Path) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A case that DuckDB can do, in files; and what counterfoil says of it.
fn prepared(seed: u64, folder: &Path) -> Option<(Json, RowOutcomes)> {
    let mut rng = Rng::new(seed);
    let case = Case::new(&mut rng);
    let batches = [&case.expected, &case.actual].map(|rows| tables::batch(rows, case.columns));
    let [expected, actual] = &batches;
    let kinds = |batch: &RecordBatch| -> Vec<Option<Type>> {
        batch.schema().fields().iter().map(|f| Type::of(f)).collect()
    };
    let fits = kinds(expected) == kinds(actual) && kinds(expected).into_iter().flatten().all(understood);
    if !fits || (case.keys > 0 && !case.repeated.is_empty()) {
        return None;
    }
    let paths: [PathBuf; 2] = [0, 1].map(|side| folder.join(format!("{seed}-{side}.parquet")));
    batches.iter().zip(&paths).for_each(|(batch, path)| write(batch, path));
    let asked =
        json!({ "expected": paths[0], "actual": paths[1], "keys": case.keys, "columns": case.columns });
    let expected = tables::make(&case.expected, &case, &mut rng, &folder.join(format!("{seed}-e")));
    let actual = tables::make(&case.actual, &case, &mut rng, &folder.join(format!("{seed}-a")));
    let (outcome, _) = fast(pair(&case, expected, actual));
    Some((asked, outcome.rows.unwrap()))
}

#[test]
fn it_agrees_with_duckdb() {
    let Some(python) = std::env::var_os("COUNTERFOIL_ORACLE_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set COUNTERFOIL_ORACLE_PYTHON: tests/run does");
        eprintln!("skipped: COUNTERFOIL_ORACLE_PYTHON is not set; tests/run sets it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let cases: Vec<(Json, RowOutcomes)> =
        (0..CASES).filter_map(|seed| prepared(seed, folder.path())).collect();
    assert!(cases.len() > 300, "DuckDB can do only {} of the cases", cases.len());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracle/join.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let asked: String = cases.iter().map(|(asked, _)| format!("{asked}\n")).collect();
    let mut to = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || to.write_all(asked.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len());
    for ((asked, rows), answer) in cases.iter().zip(answers.lines()) {
        let theirs: Json = serde_json::from_str(answer).unwrap();
        let ours = json!({
            "matched": rows.matched,
            "missing": rows.missing_in_target,
            "extra": rows.extra_in_target,
            "changed": rows.changed,
        });
        assert_eq!(ours, theirs, "{asked}");
    }
}
