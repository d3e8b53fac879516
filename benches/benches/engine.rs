//! The engine's parts, each alone. `cargo bench -p counterfoil-benches`; correctness is asserted before anything is
//! timed.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use counterfoil_benches::{BATCH, Change, Kind, Spec};
use counterfoil_model::pair::{ColumnPair, PairKey, Pairs, TablePair};
use counterfoil_model::plan::{ColumnSettings, NullVsEmpty};
use counterfoil_model::{CheckOutcome, Difference, KeySpec, MemoryTable, Table, TableFacts, Type};
use counterfoil_snapshots::{
    Manifest, MemoryBudget, NewTable, Snapshot, SnapshotError, SnapshotWriter, column_digest,
};
use counterfoil_validators::{FileStore, Input, find};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;

/// Few where it is only tried whether it runs.
const ROWS: u64 = if cfg!(debug_assertions) { 30_000 } else { 8 * BATCH };

/// The rows in the types that the engine knows.
fn canonical(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
        let kind = match field.data_type() {
            DataType::Int64 => Type::Int,
            DataType::Float64 => Type::Float,
            DataType::Boolean => Type::Bool,
            DataType::Decimal128(precision, scale) => Type::Decimal { precision: *precision, scale: *scale },
            DataType::Timestamp(..) => Type::Int,
            _ => Type::Text,
        };
        let array = arrow::compute::cast(array, &kind.data_type()).unwrap();
        (kind.field(field.name()), array)
    });
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = columns.unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn batches(kind: Kind, change: Change, shuffled: bool) -> Vec<RecordBatch> {
    let spec = Spec { kind, rows: ROWS, change, shuffled };
    (0..spec.batches()).map(|number| canonical(&spec.batch(number).unwrap())).collect()
}

fn in_memory(batches: &[RecordBatch]) -> Arc<dyn Table> {
    Arc::new(MemoryTable::new("t", batches[0].schema(), batches.to_vec()))
}

fn stored(batches: &[RecordBatch], folder: &Path) -> (Manifest, Arc<dyn Table>) {
    let writer = SnapshotWriter::create(folder, &MemoryBudget::new(256 << 20)).unwrap();
    let key = KeySpec::plain(vec![0]);
    let (schema, facts) = (batches[0].schema(), TableFacts::default());
    let new = NewTable { number: 0, name: "t", schema, key: Some(&key), facts };
    let rows = batches.iter().cloned().map(Ok::<_, SnapshotError>);
    let table = writer.write_table(new, |_| rows).unwrap();
    let manifest = writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap();
    (manifest, Arc::new(Snapshot::open(folder).unwrap().table("t").unwrap().unwrap()))
}

struct NoFiles;

impl FileStore for NoFiles {
    fn text(&self, path: &str) -> Result<String, String> {
        Err(path.into())
    }
    fn size(&self, _: &str, path: &str) -> Result<Option<u64>, String> {
        Err(path.into())
    }
    fn digest(&self, _: &str, path: &str) -> Result<Option<String>, String> {
        Err(path.into())
    }
}

fn row_diff(expected: &Arc<dyn Table>, actual: &Arc<dyn Table>) -> CheckOutcome {
    let schema = expected.schema();
    let columns = schema.fields().iter().enumerate().map(|(at, field)| ColumnPair {
        name: field.name().clone(),
        expected: at,
        actual: at,
        expected_type: Type::of(field).unwrap(),
        actual_type: Type::of(field).unwrap(),
        read: None,
        read_by_plan: false,
        settings: ColumnSettings::default(),
        null_vs_empty: NullVsEmpty::Distinct,
        in_key: at == 0,
    });
    let key = KeySpec::plain(vec![0]);
    let pair = Arc::new(TablePair {
        name: "t".into(),
        expected: expected.clone(),
        actual: actual.clone(),
        columns: columns.collect(),
        key: Some(PairKey { expected: key.clone(), actual: key, names: vec!["id".into()], shown: None }),
        unpaired: Vec::new(),
        facts: TableFacts::default(),
        lineage: Default::default(),
        identities: None,
        zone: TimeZone::UTC,
        allow_empty: false,
        counts_unknown: None,
    });
    let pairs: Pairs = BTreeMap::from([("t".to_owned(), pair.clone())]);
    let mut differences: Vec<Difference> = Vec::new();
    let check = find("row_diff").unwrap().check(serde_json::Value::Null).unwrap();
    let files = &NoFiles;
    let mut input =
        Input { pair: &pair, pairs: &pairs, differences: &mut differences, files, stop_after: None };
    check.run(&mut input).unwrap()
}

/// Blocks whose keys agree, column by column: each type alone.
fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernels");
    group.throughput(Throughput::Elements(ROWS));
    for kind in [Kind::Plain, Kind::Wide, Kind::Text, Kind::Decimals] {
        let one = in_memory(&batches(kind, Change::None, false));
        let other = in_memory(&batches(kind, Change::None, false));
        assert_eq!(row_diff(&one, &other).rows.unwrap().matched, ROWS);
        group.bench_function(BenchmarkId::from_parameter(format!("{kind:?}")), |b| {
            b.iter(|| black_box(row_diff(&one, &other)));
        });
    }
    group.finish();
}

/// The bits of the column that changes, by key.
fn amounts(batches: &[RecordBatch]) -> BTreeMap<i64, u64> {
    let of = |batch: &RecordBatch| {
        let ids = batch.column(0).as_primitive::<Int64Type>().clone();
        let amounts = batch.column(3).as_primitive::<Float64Type>().clone();
        (0..batch.num_rows())
            .map(move |row| (ids.value(row), amounts.value(row).to_bits()))
            .collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

/// Keys that part here and there, and rows of which half differ.
fn merge(c: &mut Criterion) {
    let mut group = c.benchmark_group("merge");
    group.throughput(Throughput::Elements(ROWS));
    let rows = batches(Kind::Plain, Change::None, false);
    let one = in_memory(&rows);
    for change in [Change::Few, Change::Half] {
        let others = batches(Kind::Plain, change, false);
        let other = in_memory(&others);
        let found = row_diff(&one, &other).rows.unwrap();
        let (before, after) = (amounts(&rows), amounts(&others));
        let changed = before.iter().filter(|(id, bits)| after.get(id).is_some_and(|other| other != *bits));
        assert_eq!(found.changed, changed.count() as u64);
        assert!(found.changed > 0);
        group.bench_function(BenchmarkId::from_parameter(format!("{change:?}")), |b| {
            b.iter(|| black_box(row_diff(&one, &other)));
        });
    }
    group.finish();
}

fn digest(c: &mut Criterion) {
    let mut group = c.benchmark_group("digest");
    let batch = canonical(
        &Spec { kind: Kind::Plain, rows: BATCH, change: Change::None, shuffled: false }.batch(0).unwrap(),
    );
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let kind = Type::of(field).unwrap();
        let sliced = column.slice(1, column.len() - 1);
        assert_ne!(column_digest(column, kind), column_digest(&sliced, kind));
        group.throughput(Throughput::Bytes(column.get_array_memory_size() as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{} ({kind})", field.name())), |b| {
            b.iter(|| black_box(column_digest(column, kind)));
        });
    }
    group.finish();
}

/// A table taken into the store: in order, and shuffled.
fn sort(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    let roots: Vec<String> = [false, true]
        .into_iter()
        .map(|shuffled| {
            let rows = batches(Kind::Plain, Change::None, shuffled);
            let folder = tempfile::tempdir().unwrap();
            let root = stored(&rows, folder.path()).0.root;
            let name = if shuffled { "shuffled" } else { "in order" };
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| {
                    let folder = tempfile::tempdir().unwrap();
                    black_box(stored(&rows, folder.path()).0)
                });
            });
            root
        })
        .collect();
    assert_eq!(roots[0], roots[1], "the order in which rows come is no difference");
    group.finish();
}

/// Two snapshots: the same, and with a hundredth of the rows touched.
fn snapshots(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshots");
    group.throughput(Throughput::Elements(ROWS));
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (_, one) = stored(&batches(Kind::Plain, Change::None, false), folders[0].path());
    let (_, other) = stored(&batches(Kind::Plain, Change::Late, false), folders[1].path());
    assert_eq!(row_diff(&one, &one).rows.unwrap().matched, ROWS);
    group.bench_function("the same", |b| b.iter(|| black_box(row_diff(&one, &one))));
    group.bench_function("the last hundredth", |b| b.iter(|| black_box(row_diff(&one, &other))));
    group.finish();
}

criterion_group!(benches, kernels, merge, digest, sort, snapshots);
criterion_main!(benches);
