//! Pairs of small tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use counterfoil_model::lineage::Lineage;
use counterfoil_model::pair::{ColumnPair, PairKey, Pairs, TablePair};
use counterfoil_model::plan::{ColumnSettings, NullVsEmpty};
use counterfoil_model::{
    CheckOutcome, ColumnBuilder, Difference, KeySpec, MemoryTable, ReadAs, TableFacts, Type, Value, key,
};
use counterfoil_validators::{FileStore, Input, find};
use jiff::tz::TimeZone;

/// Rows: a key and values.
pub type Rows = Vec<Vec<Value>>;

pub fn column_pair(expected: Type, actual: Type, read: Option<ReadAs>) -> ColumnPair {
    ColumnPair {
        name: "v".into(),
        expected: 0,
        actual: 0,
        expected_type: expected,
        actual_type: actual,
        read,
        read_by_plan: read.is_some(),
        settings: ColumnSettings::default(),
        null_vs_empty: NullVsEmpty::Distinct,
        in_key: false,
    }
}

/// A table of columns `c0` (the key), `c1`, ..., ordered by key, in chunks that never part a key.
fn table(mut rows: Rows, columns: usize, chunk: usize, keyed: bool) -> MemoryTable {
    let encoded = |row: &Vec<Value>| {
        let mut out = Vec::new();
        let parts = if keyed { &row[..1] } else { &row[..] };
        parts.iter().for_each(|v| key::encode_ordered(v, &mut out));
        out
    };
    rows.sort_by_key(encoded);
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = (0..columns)
        .map(|c| {
            let mut builder = ColumnBuilder::new();
            rows.iter().for_each(|r| builder.push(r[c].clone()));
            builder.finish(&format!("c{c}"))
        })
        .unzip();
    let whole = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut chunks = Vec::new();
    let mut start = 0;
    for at in 1..=rows.len() {
        let parts = at == rows.len() || encoded(&rows[at]) != encoded(&rows[at - 1]);
        if parts && (at - start >= chunk || at == rows.len()) {
            chunks.push(whole.slice(start, at - start));
            start = at;
        }
    }
    MemoryTable::new("t", whole.schema(), chunks)
}

pub fn pair(expected: Rows, actual: Rows, columns: usize, chunk: usize, keyed: bool) -> TablePair {
    let expected: Arc<dyn counterfoil_model::Table> = Arc::new(table(expected, columns, chunk, keyed));
    let actual: Arc<dyn counterfoil_model::Table> = Arc::new(table(actual, columns, chunk, keyed));
    let kind = |t: &Arc<dyn counterfoil_model::Table>, c: usize| Type::of(t.schema().field(c)).unwrap();
    let columns = (0..columns)
        .map(|c| ColumnPair {
            name: format!("c{c}"),
            expected: c,
            actual: c,
            in_key: keyed && c == 0,
            ..column_pair(kind(&expected, c), kind(&actual, c), None)
        })
        .collect();
    let key = PairKey {
        expected: KeySpec::plain(vec![0]),
        actual: KeySpec::plain(vec![0]),
        names: vec!["c0".into()],
        shown: None,
    };
    TablePair {
        name: "t".into(),
        expected,
        actual,
        columns,
        key: keyed.then_some(key),
        unpaired: Vec::new(),
        facts: TableFacts::default(),
        lineage: Lineage::default(),
        identities: None,
        zone: TimeZone::UTC,
        allow_empty: false,
        counts_unknown: None,
    }
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

/// Runs a validator without options.
pub fn run(validator: &str, pair: TablePair) -> (CheckOutcome, Vec<Difference>) {
    run_until(validator, pair, None)
}

/// The same, ending after so many findings.
pub fn run_until(
    validator: &str,
    pair: TablePair,
    stop_after: Option<u64>,
) -> (CheckOutcome, Vec<Difference>) {
    let pair = Arc::new(pair);
    let pairs = Pairs::from([("t".to_owned(), pair.clone())]);
    let mut differences: Vec<Difference> = Vec::new();
    let mut input =
        Input { pair: &pair, pairs: &pairs, differences: &mut differences, files: &NoFiles, stop_after };
    let check = find(validator).unwrap().check(serde_json::Value::Null).unwrap();
    let outcome = check.run(&mut input).unwrap();
    (outcome, differences)
}
