//! Round trips, laws and damage.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::take_record_batch;
use arrow::datatypes::Schema;
use counterfoil_model::decimal::Decimal;
use counterfoil_model::time::{MAX_INSTANT, MIN_INSTANT};
use counterfoil_model::{ColumnBuilder, KeySpec, Table, TableFacts, Type, Value, value_at};
use counterfoil_snapshots::{
    Manifest, MemoryBudget, NewTable, Snapshot, SnapshotError, SnapshotWriter, Storage, from_row,
};
use proptest::prelude::*;

fn batch(columns: Vec<(&str, Vec<Value>)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, values)| {
            let mut builder = ColumnBuilder::new();
            values.into_iter().for_each(|v| builder.push(v));
            builder.finish(name)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn write(folder: &Path, batches: &[RecordBatch], key: Option<&KeySpec>) -> Manifest {
    write_within(folder, batches, key, 1 << 30)
}

fn write_within(folder: &Path, batches: &[RecordBatch], key: Option<&KeySpec>, memory: usize) -> Manifest {
    write_as(folder, batches, key, memory, Storage::Arrow)
}

fn write_as(
    folder: &Path,
    batches: &[RecordBatch],
    key: Option<&KeySpec>,
    memory: usize,
    storage: Storage,
) -> Manifest {
    let writer = SnapshotWriter::create(folder, &MemoryBudget::new(memory)).unwrap().storage(storage);
    let schema = batches[0].schema();
    let new = NewTable { number: 0, name: "t", schema, key, facts: TableFacts::default() };
    let rows = batches.iter().cloned().map(Ok::<_, SnapshotError>);
    let table = writer.write_table(new, |from| from_row(rows, from)).unwrap();
    writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap()
}

fn sample() -> RecordBatch {
    let d = |t: &str| Value::Decimal(Decimal::parse(t).unwrap());
    batch(vec![
        ("id", vec![Value::Int(2), Value::Int(1), Value::Int(3)]),
        ("null", vec![Value::Null, Value::Null, Value::Null]),
        ("bool", vec![Value::Bool(true), Value::Null, Value::Bool(false)]),
        ("uint", vec![Value::UInt(u64::MAX), Value::Null, Value::UInt(u64::MAX - 1)]),
        ("decimal", vec![d("1.50"), d("-99999999999999999999999999999999.99"), Value::Null]),
        ("wide", vec![d("123456789012345678901234567890123456789012345.6"), Value::Null, d("0.1")]),
        ("float", vec![Value::Float(-0.0), Value::Float(5e-324), Value::Null]),
        ("float32", vec![Value::Float32(f32::MAX), Value::Null, Value::Float32(0.1)]),
        (
            "text",
            vec![
                Value::Text(String::new()),
                Value::Null,
                Value::Text("a text longer than twelve bytes".into()),
            ],
        ),
        ("bytes", vec![Value::Bytes(vec![]), Value::Null, Value::Bytes(vec![255; 40])]),
        ("ts", vec![Value::Timestamp(MIN_INSTANT), Value::Timestamp(MAX_INSTANT), Value::Null]),
        ("local", vec![Value::LocalTimestamp(-1), Value::Null, Value::LocalTimestamp(1)]),
        ("date", vec![Value::Date(-719_162), Value::Null, Value::Date(2_932_896)]),
        ("time", vec![Value::Time(0), Value::Null, Value::Time(86_399_999_999_999)]),
        ("uuid", vec![Value::Uuid([7; 16]), Value::Null, Value::Uuid([0; 16])]),
        ("json", vec![Value::Json("{}".into()), Value::Null, Value::Json("[1, 2]".into())]),
        ("geo", vec![Value::Geo(1.5, -2.5), Value::Null, Value::Geo(-0.0, 180.0)]),
        ("ref", vec![Value::Ref("a/b".into()), Value::Null, Value::Ref("c/d".into())]),
        (
            "mixed",
            vec![Value::Int(1), Value::Text("x".into()), Value::List(vec![Value::Null, Value::Float(0.5)])],
        ),
    ])
}

#[test]
fn every_type_comes_back_in_key_order() {
    let written = sample();
    for storage in [Storage::Arrow, Storage::Parquet] {
        let folder = tempfile::tempdir().unwrap();
        let key = KeySpec::plain(vec![0]);
        write_as(folder.path(), std::slice::from_ref(&written), Some(&key), 1 << 30, storage);
        let table = Snapshot::open(folder.path()).unwrap().table("t").unwrap().unwrap();
        table.verify().unwrap();
        assert_eq!(table.schema().fields(), written.schema().fields(), "types and extension names survive");
        let read = table.read_all(None).unwrap();
        for (at, field) in written.schema().fields().iter().enumerate() {
            let kind = Type::of(field).unwrap();
            let cell = |b: &RecordBatch, row| format!("{:?}", value_at(b.column(at), kind, row));
            for (read_row, written_row) in [(0, 1), (1, 0), (2, 2)] {
                assert_eq!(cell(&read, read_row), cell(&written, written_row), "{}", field.name());
            }
            // Alone it is what it is among others.
            assert_eq!(table.read(0, Some(&[at])).unwrap().column(0), read.column(at), "{}", field.name());
        }
        let projected = table.read(0, Some(&[0, 8])).unwrap();
        assert_eq!(projected.schema().field(1).name(), "text");
        assert_eq!(table.read(0, Some(&[])).unwrap().num_rows(), 3);
    }
}

#[test]
fn tables_without_rows_or_columns_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write(folder.path(), &[sample().slice(0, 0)], Some(&KeySpec::plain(vec![0])));
    assert_eq!((manifest.tables[0].rows, manifest.tables[0].chunks.len()), (0, 0));
    let table = Snapshot::open(folder.path()).unwrap().table("t").unwrap().unwrap();
    assert_eq!(table.read_all(None).unwrap().num_columns(), 19);
}

#[test]
fn the_width_of_an_integer_column_is_no_difference_and_near_misses_are() {
    let root = |values: Vec<Value>| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[batch(vec![("v", values)])], None).tables[0].chunks[0].digests[0].clone()
    };
    let text = |s: &str| Value::Text(s.into());
    assert_eq!(root(vec![Value::Int(7)]), root(vec![Value::UInt(7)]));
    let near = [
        vec![Value::Null],
        vec![text("")],
        vec![Value::Bytes(vec![])],
        vec![text("1")],
        vec![Value::Int(1)],
        vec![Value::Float(1.0)],
        vec![Value::Bool(true)],
        vec![text("ab"), text("c")],
        vec![text("a"), text("bc")],
        vec![Value::Null, Value::Null],
    ];
    let digests: std::collections::BTreeSet<String> = near.iter().cloned().map(root).collect();
    assert_eq!(digests.len(), near.len(), "no two of them share a digest");
}

#[test]
fn what_was_altered_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[sample()], Some(&KeySpec::plain(vec![0])));
    let manifest = folder.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let refused = |text: &str| {
        fs::write(&manifest, text).unwrap();
        Snapshot::open(folder.path()).unwrap_err().to_string()
    };
    assert!(refused("{").contains("not a snapshot's manifest"));
    assert!(refused(&text.replace("counterfoil/snapshot/3", "counterfoil/snapshot/9")).contains("format"));
    let digest = text.split("\"digests\": [").nth(1).unwrap().split('"').nth(1).unwrap();
    assert!(refused(&text.replace(digest, &"0".repeat(64))).contains("root of table 't'"));
    fs::write(&manifest, &text).unwrap();
    let file = folder.path().join("tables/0000.arrow");
    let whole = fs::read(&file).unwrap();
    let read = || -> Result<RecordBatch, String> {
        let snapshot = Snapshot::open(folder.path()).map_err(|e| e.to_string())?;
        let table = snapshot.table("t").map_err(|e| e.to_string())?.ok_or("no table")?.verifying();
        table.read_all(None).map_err(|e| e.to_string())
    };
    let original = read().unwrap();
    let mut noticed = 0;
    for at in (0..whole.len()).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, &bytes).unwrap();
        // Some bytes mean nothing to who reads the values: padding, and what stands in null slots.
        match read() {
            Ok(batch) => assert_eq!(batch, original, "byte {at}"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 50, "{noticed}");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(read().unwrap_err().contains("0000.arrow"));
    fs::remove_file(&file).unwrap();
    let missing = Snapshot::open(folder.path()).unwrap().table("t");
    assert!(matches!(missing, Err(SnapshotError::Io { .. })));
}

#[test]
fn a_folder_in_use_is_never_written_into() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert!(
        SnapshotWriter::create(folder.path(), &MemoryBudget::new(0))
            .unwrap_err()
            .to_string()
            .contains("not empty")
    );
}

#[test]
fn the_format_stays_readable_with_the_same_root() {
    let folder = tempfile::tempdir().unwrap();
    let again = write(folder.path(), &[sample()], Some(&KeySpec::plain(vec![0])));
    for (name, storage) in [("snapshot-v3", Storage::Arrow), ("snapshot-v3-parquet", Storage::Parquet)] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/canon").join(name);
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            let _ = fs::remove_dir_all(&golden);
            write_as(&golden, &[sample()], Some(&KeySpec::plain(vec![0])), 1 << 30, storage);
        }
        let snapshot = Snapshot::open(&golden).unwrap();
        snapshot.table("t").unwrap().unwrap().verify().unwrap();
        assert_eq!(snapshot.manifest().root, again.root, "{name}");
    }
}

/// Rows whose text takes far more memory than sorting may have.
fn many(rows: i64) -> Vec<RecordBatch> {
    let row = |i: i64| (i.wrapping_mul(7_919) % rows, format!("{i:0>200}"));
    let part = |from: i64| {
        let (ids, texts): (Vec<i64>, Vec<String>) = (from..(from + 4_096).min(rows)).map(row).unzip();
        batch(vec![
            ("id", ids.into_iter().map(Value::Int).collect()),
            ("v", texts.into_iter().map(Value::Text).collect()),
        ])
    };
    (0..rows).step_by(4_096).map(part).collect()
}

#[test]
fn what_does_not_fit_in_memory_is_sorted_on_disk_to_the_same_root() {
    // 300,000 rows of 220 bytes: some ten runs at the least memory there is.
    let batches = many(300_000);
    for key in [Some(KeySpec::plain(vec![0])), None] {
        let (roomy, tight) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = write_within(roomy.path(), &batches, key.as_ref(), 1 << 30);
        let two = write_within(tight.path(), &batches, key.as_ref(), 0);
        assert_eq!(one.root, two.root);
        assert_eq!(two.tables[0].rows, 300_000);
        let left: Vec<_> = fs::read_dir(tight.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "only the manifest and the tables are left: {left:?}");
        assert_eq!(fs::read_dir(tight.path().join("tables")).unwrap().count(), 1);
    }
}

#[test]
fn rows_that_are_in_order_for_long_and_then_not_are_sorted() {
    let mut batches = many(300_000);
    let sorted = {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &batches, Some(&KeySpec::plain(vec![0])));
        let table = Snapshot::open(folder.path()).unwrap().table("t").unwrap().unwrap();
        table.read_all(None).unwrap()
    };
    batches = (0..300_000).step_by(4_096).map(|at| sorted.slice(at, 4_096.min(300_000 - at))).collect();
    let last = batches.remove(3);
    batches.push(last);
    let (roomy, tight) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = KeySpec::plain(vec![0]);
    let one = write_within(roomy.path(), &batches, Some(&key), 1 << 30);
    let two = write_within(tight.path(), &batches, Some(&key), 0);
    assert_eq!(one.root, two.root);
    assert!(two.tables[0].chunks.iter().all(|c| c.keys.unique && c.keys.nulls == 0));
}

/// Rows after each of which the folder is copied as it is: what a process that was killed there would have left.
fn copied_along<'a>(
    batches: &'a [RecordBatch],
    every: usize,
    folder: &'a Path,
    copies: &'a Path,
) -> impl Iterator<Item = Result<RecordBatch, SnapshotError>> + Send + 'a {
    batches.iter().enumerate().map(move |(number, batch)| {
        if number % every == every - 1 {
            copy_folder(folder, &copies.join(number.to_string()));
        }
        Ok(batch.clone())
    })
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            // Another thread may have renamed it meanwhile.
            let _ = fs::copy(entry.path(), to);
        }
    }
}

/// Writes into a folder that was left behind; gives the root, and how many rows had to be read again.
fn go_on(folder: &Path, batches: &[RecordBatch], key: &KeySpec, memory: usize) -> (String, u64) {
    let writer = SnapshotWriter::resume(folder, &MemoryBudget::new(memory)).unwrap();
    let schema = batches[0].schema();
    let facts = TableFacts::default();
    let new = NewTable { number: 0, name: "t", schema, key: Some(key), facts };
    let read = AtomicU64::new(0);
    let count = |batch: &Result<RecordBatch, SnapshotError>| {
        read.fetch_add(batch.as_ref().unwrap().num_rows() as u64, Ordering::Relaxed);
    };
    let rows = |from| from_row(batches.iter().cloned().map(Ok), from).inspect(&count);
    let table = writer.write_table(new, rows).unwrap();
    let manifest = writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap();
    assert!(!folder.join("unfinished").exists());
    Snapshot::open(folder).unwrap().table("t").unwrap().unwrap().verify().unwrap();
    (manifest.root, read.into_inner())
}

#[test]
fn a_killed_snapshot_goes_on_from_what_is_finished() {
    let shuffled = many(300_000);
    let sorted = {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &shuffled, Some(&KeySpec::plain(vec![0])));
        let all = Snapshot::open(folder.path()).unwrap().table("t").unwrap().unwrap().read_all(None).unwrap();
        (0..300_000).step_by(4_096).map(|at| all.slice(at, 4_096.min(300_000 - at))).collect::<Vec<_>>()
    };
    let mut late = sorted.clone();
    let moved = late.remove(2);
    late.push(moved);
    let key = KeySpec::plain(vec![0]);
    for (name, batches) in [("in order", sorted), ("shuffled", shuffled), ("late", late)] {
        let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let writer = SnapshotWriter::create(folder.path(), &MemoryBudget::new(0)).unwrap();
        let facts = TableFacts::default();
        let new = NewTable { number: 0, name: "t", schema: batches[0].schema(), key: Some(&key), facts };
        let rows = |_| copied_along(&batches, 13, folder.path(), copies.path());
        let table = writer.write_table::<SnapshotError, _>(new, rows).unwrap();
        copy_folder(folder.path(), &copies.path().join("unsealed"));
        let whole = writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap();
        let mut least = 300_000;
        let mut chunks_kept = false;
        for copy in fs::read_dir(copies.path()).unwrap() {
            let copy = copy.unwrap();
            let unsealed = copy.file_name() == "unsealed";
            let (root, read) = go_on(&copy.path(), &batches, &key, 0);
            chunks_kept |= !unsealed && read < 300_000;
            assert_eq!(root, whole.root, "{name}, killed at {:?}", copy.file_name());
            least = least.min(read);
        }
        assert_eq!(least, 0, "{name}: a table that was finished is not read again");
        assert!(chunks_kept, "{name}: nothing of a table that was not finished was kept");
    }
}

#[test]
fn a_merge_that_was_killed_goes_on_without_the_source() {
    let batches = many(300_000);
    let key = KeySpec::plain(vec![0]);
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal =
        |folder: &Path| fs::read_to_string(folder.join("unfinished/0000.journal")).unwrap_or_default();
    let merging =
        |journal: &str| journal.split("\"sorted\"").nth(1).is_some_and(|rest| rest.contains("chunk"));
    let writer = SnapshotWriter::create(folder.path(), &MemoryBudget::new(0)).unwrap();
    let whole = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut copied = 0;
            while copied < 2 && !journal(folder.path()).contains("\"done\"") {
                if merging(&journal(folder.path())) {
                    copied += 1;
                    copy_folder(folder.path(), &copies.path().join(copied.to_string()));
                }
            }
            copied
        });
        let facts = TableFacts::default();
        let new = NewTable { number: 0, name: "t", schema: batches[0].schema(), key: Some(&key), facts };
        let rows = batches.iter().cloned().map(Ok::<_, SnapshotError>);
        let table = writer.write_table(new, |_| rows).unwrap();
        assert!(watching.join().unwrap() > 0, "the merge was over before it could be copied");
        writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap()
    });
    let (root, read) = go_on(&copies.path().join("1"), &batches, &key, 0);
    assert_eq!((root, read), (whole.root, 0), "all rows were in runs");
}

#[test]
fn what_was_finished_is_not_read_again_and_what_is_damaged_is() {
    let batches = many(300_000);
    let key = KeySpec::plain(vec![0]);
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let writer = SnapshotWriter::create(folder.path(), &MemoryBudget::new(0)).unwrap();
    let facts = TableFacts::default();
    let new = NewTable { number: 0, name: "t", schema: batches[0].schema(), key: Some(&key), facts };
    let rows = |_| copied_along(&batches, 60, folder.path(), copies.path());
    let table = writer.write_table::<SnapshotError, _>(new, rows).unwrap();
    let whole = writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap();
    let copy = copies.path().join("59");
    for run in fs::read_dir(copy.join("unfinished/sort-0000")).unwrap() {
        let spoilt = tempfile::tempdir().unwrap();
        copy_folder(&copy, spoilt.path());
        let run = spoilt.path().join("unfinished/sort-0000").join(run.unwrap().file_name());
        let mut bytes = fs::read(&run).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&run, bytes).unwrap();
        assert_eq!(go_on(spoilt.path(), &batches, &key, 0).0, whole.root);
    }
    let (root, read) = go_on(&copy, &batches, &key, 0);
    assert_eq!(root, whole.root);
    assert!(read < 250_000, "{read} of 300,000 rows were read again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Neither the order of the rows nor how they come in batches changes anything.
    #[test]
    fn order_and_batches_change_no_root(
        rows in prop::collection::vec((0_i64..40, prop::option::of("[a-c]{0,3}")), 1..60),
        seed in any::<u64>(),
        cut in 1_usize..20,
    ) {
        let text = |s: &Option<String>| s.clone().map_or(Value::Null, Value::Text);
        let whole = batch(vec![
            ("id", rows.iter().map(|r| Value::Int(r.0)).collect()),
            ("v", rows.iter().map(|r| text(&r.1)).collect()),
        ]);
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|i| u64::from(*i).wrapping_mul(seed | 1).rotate_left(17));
        let shuffled = take_record_batch(&whole, &arrow::array::UInt32Array::from(order)).unwrap();
        let batches: Vec<RecordBatch> =
            (0..rows.len()).step_by(cut).map(|at| shuffled.slice(at, cut.min(rows.len() - at))).collect();
        for key in [Some(KeySpec::plain(vec![0])), None] {
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let first = write(one.path(), std::slice::from_ref(&whole), key.as_ref());
            let second = write(two.path(), &batches, key.as_ref());
            prop_assert_eq!(&first.root, &second.root);
        }
    }
}
