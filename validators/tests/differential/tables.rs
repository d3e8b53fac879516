//! The rows of a case as a table: ordered, in chunks, with digests or without, in memory or in the store.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::column::is_null_at;
use counterfoil_model::table::KeyFacts;
use counterfoil_model::{ColumnBuilder, KeySpec, MemoryTable, Table, TableError, TableFacts, Type, Value};
use counterfoil_snapshots::{MemoryBudget, NewTable, Snapshot, SnapshotError, SnapshotWriter, column_digest};

use crate::generate::{Case, Rng};

/// A table in memory that says of its chunks what the store says of its own.
struct Digested {
    table: MemoryTable,
    key: Vec<usize>,
    facts: Vec<KeyFacts>,
    digests: Vec<Vec<[u8; 32]>>,
}

impl Table for Digested {
    fn name(&self) -> &str {
        self.table.name()
    }
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }
    fn rows(&self) -> u64 {
        self.table.rows()
    }
    fn chunks(&self) -> usize {
        self.table.chunks()
    }
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        self.table.read(chunk, columns)
    }
    fn digest(&self, chunk: usize, column: usize) -> Option<[u8; 32]> {
        Some(self.digests[chunk][column])
    }
    fn ordered_by(&self) -> Vec<usize> {
        self.key.clone()
    }
    fn keys_of(&self, chunk: usize) -> Option<KeyFacts> {
        Some(self.facts[chunk])
    }
    fn rows_of(&self, chunk: usize) -> Option<u64> {
        self.table.read(chunk, Some(&[])).ok().map(|b| b.num_rows() as u64)
    }
}

/// The rows in canonical columns, `c0` and so on.
pub fn batch(rows: &[Vec<Value>], columns: usize) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = (0..columns)
        .map(|c| {
            let mut builder = ColumnBuilder::new();
            rows.iter().for_each(|r| builder.push(r[c].clone()));
            builder.finish(&format!("c{c}"))
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The table, in one of the forms that the engine meets.
pub fn make(rows: &[Vec<Value>], case: &Case, rng: &mut Rng, folder: &Path) -> Arc<dyn Table> {
    let width = if case.keys == 0 { case.columns } else { case.keys };
    let spec = KeySpec::plain((0..width).collect());
    let whole = batch(rows, case.columns);
    if rng.one_in(12) {
        return stored(&whole, &spec, rng, folder);
    }
    // Ordered as the store orders: by key, then by the whole row.
    let encode = |width: usize| KeySpec::plain((0..width).collect()).encode_batch(&whole);
    let (keys, all) = (encode(width), encode(case.columns));
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| keys.get(*a).cmp(keys.get(*b)).then_with(|| all.get(*a).cmp(all.get(*b))));
    let sorted: Vec<Vec<Value>> = order.iter().map(|at| rows[*at].clone()).collect();
    let whole = batch(&sorted, case.columns);
    let keys = spec.encode_batch(&whole);
    // Both sides end a chunk after the same keys, unless they were cut in different ways.
    let sum = |key: &[u8]| key.iter().map(|b| usize::from(*b)).sum::<usize>();
    let modulus = if rng.one_in(4) { 1 + rng.below(30) } else { 3 + case.columns * 5 };
    let mut chunks = Vec::new();
    let mut start = 0;
    for at in 1..=sorted.len() {
        let last = at == sorted.len();
        if last || (keys.get(at) != keys.get(at - 1) && sum(keys.get(at - 1)) % modulus == 0) {
            chunks.push(whole.slice(start, at - start));
            start = at;
        }
    }
    let fact = |chunk: &RecordBatch| KeyFacts {
        unique: spec.encode_batch(chunk).ascend_strictly(),
        nulls: (0..chunk.num_rows()).filter(|r| (0..width).any(|c| is_null_at(chunk.column(c), *r))).count()
            as u64,
    };
    let facts = chunks.iter().map(fact).collect();
    let kind = |at: usize| Type::of(whole.schema().field(at)).unwrap();
    let digest = |chunk: &RecordBatch| {
        (0..case.columns).map(|at| column_digest(chunk.column(at), kind(at))).collect::<Vec<_>>()
    };
    let digests = chunks.iter().map(digest).collect();
    let table = MemoryTable::new("t", whole.schema(), chunks);
    if rng.one_in(4) {
        return Arc::new(table);
    }
    Arc::new(Digested { table, key: spec.columns, facts, digests })
}

fn stored(whole: &RecordBatch, spec: &KeySpec, rng: &mut Rng, folder: &Path) -> Arc<dyn Table> {
    let budget = MemoryBudget::new(if rng.one_in(2) { 0 } else { 1 << 30 });
    let writer = SnapshotWriter::create(folder, &budget).unwrap();
    let facts = TableFacts::default();
    let new = NewTable { number: 0, name: "t", schema: whole.schema(), key: Some(spec), facts };
    let step = 1 + rng.below(700);
    let rows = whole.num_rows();
    let batches =
        (0..rows).step_by(step).map(|at| Ok::<_, SnapshotError>(whole.slice(at, step.min(rows - at))));
    let table = writer.write_table(new, |_| batches).unwrap();
    writer.finish(vec![table], "memory:", "2026-01-05T00:00:00Z", "fixed", "0").unwrap();
    let table = Snapshot::open(folder).unwrap().table("t").unwrap().unwrap();
    Arc::new(table.verifying())
}
