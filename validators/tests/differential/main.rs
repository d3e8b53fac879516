//! `row_diff` on tables made at random, against a comparer that is slow and obviously right.
//!
//! `COUNTERFOIL_CASES` sets how many cases, `COUNTERFOIL_SEED` the first seed; a failure names its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod duckdb;
mod generate;
mod slow;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use counterfoil_model::pair::{ColumnPair, PairKey, Pairs, TablePair};
use counterfoil_model::plan::{ColumnSettings, NullVsEmpty};
use counterfoil_model::{
    CheckOutcome, Difference, FindingKind, KeySpec, Table, TableFacts, Type, Value, Verdict, key,
};
use counterfoil_validators::{FileStore, Input, find};
use jiff::tz::TimeZone;
use rayon::ThreadPool;

use generate::{Case, Rng};

const CASES: u64 = 3_000;

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

fn pair(case: &Case, expected: Arc<dyn Table>, actual: Arc<dyn Table>) -> TablePair {
    let kind = |t: &Arc<dyn Table>, c: usize| Type::of(t.schema().field(c)).unwrap();
    let columns = (0..case.columns)
        .map(|c| ColumnPair {
            name: format!("c{c}"),
            expected: c,
            actual: c,
            expected_type: kind(&expected, c),
            actual_type: kind(&actual, c),
            read: None,
            read_by_plan: false,
            settings: ColumnSettings::default(),
            null_vs_empty: NullVsEmpty::Distinct,
            in_key: c < case.keys,
        })
        .collect();
    let spec = KeySpec::plain((0..case.keys).collect());
    let names = (0..case.keys).map(|c| format!("c{c}")).collect();
    let pair_key = PairKey { expected: spec.clone(), actual: spec, names, shown: None };
    TablePair {
        name: "t".into(),
        expected,
        actual,
        columns,
        key: (case.keys > 0).then_some(pair_key),
        unpaired: Vec::new(),
        facts: TableFacts::default(),
        lineage: Default::default(),
        identities: None,
        zone: TimeZone::UTC,
        allow_empty: false,
        counts_unknown: None,
    }
}

fn fast(pair: TablePair) -> (CheckOutcome, Vec<Difference>) {
    let pair = Arc::new(pair);
    let pairs = Pairs::from([("t".to_owned(), pair.clone())]);
    let mut differences: Vec<Difference> = Vec::new();
    let check = find("row_diff").unwrap().check(serde_json::Value::Null).unwrap();
    let outcome = check
        .run(&mut Input {
            pair: &pair,
            pairs: &pairs,
            differences: &mut differences,
            files: &NoFiles,
            stop_after: None,
        })
        .unwrap();
    (outcome, differences)
}

/// Differences that don't depend on which of several rows of one key meet: key, outcome, column, values.
fn told(differences: &[Difference], case: &Case) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for d in differences {
        let line = if let Some(key) = case.repeated.get(&d.key) {
            format!("{key} {:?}", d.outcome == FindingKind::Changed)
        } else {
            format!("{} {:?} {:?} {:?} {:?}", d.key, d.outcome, d.column, d.expected, d.actual)
        };
        *all.entry(line).or_default() += 1;
    }
    // How many cells of repeated keys differ depends on who meets whom.
    all.retain(|line, _| !line.ends_with(" true"));
    all
}

fn check(seed: u64, pools: &[ThreadPool]) -> bool {
    let mut rng = Rng::new(seed);
    let case = Case::new(&mut rng);
    let place = tempfile::tempdir().unwrap();
    let expected = tables::make(&case.expected, &case, &mut rng, &place.path().join("e"));
    let actual = tables::make(&case.actual, &case, &mut rng, &place.path().join("a"));
    let pair = pair(&case, expected, actual);
    let pool = &pools[rng.below(pools.len())];
    let (outcome, differences) = pool.install(|| fast(pair));
    if !outcome.coverage.not_compared.is_empty() {
        assert_ne!(outcome.verdict(false), Verdict::Pass, "seed {seed}: a gap passed");
        return false;
    }
    let slow = slow::compare(&case);
    let rows = outcome.rows.unwrap();
    assert_eq!(rows, slow.rows, "seed {seed}: {case:?}");
    assert_eq!(told(&differences, &case), told(&slow.differences, &case), "seed {seed}: {case:?}");
    let equal = slow.differences.is_empty() && slow.null_keys + slow.repeated_keys == 0;
    let wanted = match (equal, rows.matched) {
        (true, 0) => Verdict::Inconclusive,
        (true, _) => Verdict::Pass,
        (false, _) => Verdict::Fail,
    };
    assert_eq!(outcome.verdict(false), wanted, "seed {seed}: {case:?}");
    let told_of_keys = outcome.findings.iter().filter(|f| f.message.starts_with("this key names")).count();
    assert_eq!(told_of_keys, slow.repeated_keys, "seed {seed}: {case:?}");
    true
}

#[test]
fn it_agrees_with_the_slow_comparer() {
    let number = |name: &str, or: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or);
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let pools: Vec<ThreadPool> = [1, 2, 8].map(pool).into();
    let (first, cases) = (number("COUNTERFOIL_SEED", 0), number("COUNTERFOIL_CASES", CASES));
    let compared = (first..first + cases).filter(|seed| check(*seed, &pools)).count();
    assert!(compared as u64 * 2 > cases, "only {compared} of {cases} cases had columns with a common type");
}

/// The key of a row as findings show it.
pub fn shown(values: &[Value]) -> String {
    key::to_json(values)
}
