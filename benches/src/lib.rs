//! Tables made from a seed, of any size: each value follows from its row's number alone, so that any part of a table
//! can be made by itself, in any order, without memory for the rest.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// What a table is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ten columns of the usual types.
    Plain,
    /// A hundred columns: ids, integers, floats, short texts.
    Wide,
    /// An id and four texts of some 60 to 300 characters.
    Text,
    /// An id, a map and a list of texts.
    Documents,
    /// An id and nine decimals of 9 to 38 digits.
    Decimals,
}

/// What sets the second table of a pair apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// In every 10,000 rows one changed, in every 20,000 one missing and one extra: 0.02 % of the rows.
    Few,
    /// The same in the last hundredth of the rows alone.
    Late,
    /// Every second row changed.
    Half,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What it is like.
    pub kind: Kind,
    /// Rows before any change.
    pub rows: u64,
    /// What was changed.
    pub change: Change,
    /// Whether the rows come in an order that has nothing to do with their key.
    pub shuffled: bool,
}

/// Rows of a batch.
pub const BATCH: u64 = 65_536;

/// A number that looks random and follows from two others (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
fn mix(row: u64, column: u64) -> u64 {
    let mut z =
        row.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(column.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Spec {
    /// How many batches there are.
    pub fn batches(&self) -> u64 {
        self.rows.div_ceil(BATCH)
    }

    /// The columns.
    ///
    /// # Errors
    /// None: the same rows always make the same columns.
    pub fn schema(&self) -> Result<SchemaRef, ArrowError> {
        self.of_rows(&[]).map(|batch| batch.schema())
    }

    /// One batch.
    ///
    /// # Errors
    /// None: the same rows always make the same columns.
    pub fn batch(&self, number: u64) -> Result<RecordBatch, ArrowError> {
        let places = number * BATCH..((number + 1) * BATCH).min(self.rows);
        let rows: Vec<(u64, bool)> = places.flat_map(|place| self.rows_at(place)).collect();
        self.of_rows(&rows)
    }

    /// The rows that stand at a place, each with whether it was changed.
    fn rows_at(&self, place: u64) -> Vec<(u64, bool)> {
        let row = if self.shuffled { self.elsewhere(place) } else { place };
        let touched = match self.change {
            Change::None => return vec![(2 * row, false)],
            Change::Half => return vec![(2 * row, row % 2 == 0)],
            Change::Few => true,
            Change::Late => row >= self.rows - self.rows / 100,
        };
        match row % 20_000 {
            7_001 if touched => vec![],
            // Keys are even, so there is always one between.
            13_001 if touched => vec![(2 * row, false), (2 * row + 1, false)],
            5_000 | 15_000 if touched => vec![(2 * row, true)],
            _ => vec![(2 * row, false)],
        }
    }

    /// Every place is some other row's: a bijection on the numbers below the next power of two, gone on with until it
    /// falls among the rows.
    fn elsewhere(&self, place: u64) -> u64 {
        let mask = self.rows.next_power_of_two() - 1;
        let mut row = place;
        loop {
            row = row.wrapping_mul(0x9e37_79b9_7f4a_7c15 | 1).wrapping_add(0x1234_5677) & mask;
            row ^= row >> (mask.count_ones() / 2).max(1);
            if row < self.rows {
                return row;
            }
        }
    }

    fn of_rows(&self, rows: &[(u64, bool)]) -> Result<RecordBatch, ArrowError> {
        let columns = match self.kind {
            Kind::Plain => plain(rows)?,
            Kind::Wide => wide(rows),
            Kind::Text => texts(rows),
            Kind::Documents => documents(rows)?,
            Kind::Decimals => decimals(rows)?,
        };
        let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
        let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect())
    }
}

type Columns = Vec<(String, ArrayRef)>;

fn integers(rows: &[(u64, bool)], of: impl Fn(u64) -> i64) -> ArrayRef {
    Arc::new(rows.iter().map(|(row, _)| of(*row)).collect::<Int64Array>())
}

fn id(rows: &[(u64, bool)]) -> (String, ArrayRef) {
    ("id".into(), integers(rows, |row| row as i64))
}

/// One in 50 is null.
fn some<T>(row: u64, column: u64, value: T) -> Option<T> {
    (!mix(row, column + 1_000).is_multiple_of(50)).then_some(value)
}

const WORDS: [&str; 12] = [
    "ledger",
    "harbour",
    "ünïcode",
    "copper",
    "meridian",
    "quartz",
    "lantern",
    "orchard",
    "velvet",
    "cinder",
    "marrow",
    "tundra",
];

fn words(row: u64, column: u64, count: u64) -> String {
    let word = |n| WORDS[(mix(row, column * 64 + n) % WORDS.len() as u64) as usize];
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

fn decimal(rows: &[(u64, bool)], column: u64, precision: u8, scale: i8) -> Result<ArrayRef, ArrowError> {
    let most = 10_i128.pow(u32::from(precision));
    let value = |row: u64| (i128::from(mix(row, column)) * i128::from(mix(row, column + 100) >> 2)) % most;
    let values = rows.iter().map(|(row, _)| some(*row, column, value(*row)));
    Ok(Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(precision, scale)?))
}

fn plain(rows: &[(u64, bool)]) -> Result<Columns, ArrowError> {
    let amount = |(row, changed): &(u64, bool)| {
        let amount = (mix(*row, 4) % 10_000_000) as f64 / 128.0;
        // The smallest change that there is.
        some(*row, 4, if *changed { f64::from_bits(amount.to_bits() + 1) } else { amount })
    };
    let created = |row: u64| 1_600_000_000_000_000 + (mix(row, 8) % 100_000_000_000_000) as i64;
    Ok(vec![
        id(rows),
        ("account".into(), integers(rows, |row| (mix(row, 2) % 1_000_000) as i64)),
        ("kind".into(), integers(rows, |row| (mix(row, 3) % 7) as i64)),
        (
            "amount".into(),
            Arc::new(rows.iter().map(amount).map(|a| a.or(Some(0.5))).collect::<Float64Array>()),
        ),
        ("price".into(), decimal(rows, 5, 12, 2)?),
        (
            "name".into(),
            Arc::new(rows.iter().map(|(row, _)| some(*row, 6, words(*row, 6, 2))).collect::<StringArray>()),
        ),
        (
            "note".into(),
            Arc::new(rows.iter().map(|(row, _)| some(*row, 7, words(*row, 7, 4))).collect::<StringArray>()),
        ),
        (
            "created_at".into(),
            Arc::new(
                rows.iter()
                    .map(|(row, _)| some(*row, 8, created(*row)))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        (
            "active".into(),
            Arc::new(
                rows.iter()
                    .map(|(row, _)| some(*row, 9, mix(*row, 9).is_multiple_of(3)))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            "score".into(),
            Arc::new(
                rows.iter().map(|(row, _)| some(*row, 10, mix(*row, 10) as f64)).collect::<Float64Array>(),
            ),
        ),
    ])
}

fn wide(rows: &[(u64, bool)]) -> Columns {
    let mut columns = vec![id(rows)];
    for column in 1..100_u64 {
        let array: ArrayRef = match column % 3 {
            0 => Arc::new(
                rows.iter()
                    .map(|(row, _)| some(*row, column, words(*row, column, 1)))
                    .collect::<StringArray>(),
            ),
            1 => integers(rows, |row| (mix(row, column) % 100_000) as i64),
            _ => {
                let value = |(row, changed): &(u64, bool)| {
                    let value = (mix(*row, column) % 1_000_000) as f64 / 64.0;
                    if *changed && column == 50 { value + 1.0 } else { value }
                };
                Arc::new(rows.iter().map(value).collect::<Float64Array>())
            }
        };
        columns.push((format!("c{column}"), array));
    }
    columns
}

fn texts(rows: &[(u64, bool)]) -> Columns {
    let text = |column: u64, (row, changed): &(u64, bool)| {
        let mut text = words(*row, column, 8 + mix(*row, column + 200) % 32);
        if *changed && column == 2 {
            // As if it had been cut off on the way.
            text.pop();
        }
        text
    };
    let mut columns = vec![id(rows)];
    for column in 1..5_u64 {
        let array = rows.iter().map(|row| Some(text(column, row))).collect::<StringArray>();
        columns.push((format!("t{column}"), Arc::new(array)));
    }
    columns
}

fn documents(rows: &[(u64, bool)]) -> Result<Columns, ArrowError> {
    let mut tags = ListBuilder::new(StringBuilder::new());
    for (row, _) in rows {
        (0..mix(*row, 3) % 5).for_each(|tag| tags.values().append_value(words(*row, 10 + tag, 1)));
        tags.append(true);
    }
    let width =
        |(row, changed): &(u64, bool)| (mix(*row, 4) % 1_000) as f64 / 8.0 + f64::from(u8::from(*changed));
    let text = rows.iter().map(|(row, _)| Some(words(*row, 5, 3))).collect::<StringArray>();
    let fields = vec![Field::new("text", DataType::Utf8, true), Field::new("width", DataType::Float64, true)];
    let arrays: Vec<ArrayRef> =
        vec![Arc::new(text), Arc::new(rows.iter().map(width).collect::<Float64Array>())];
    let place = StructArray::try_new(fields.into(), arrays, None)?;
    Ok(vec![id(rows), ("place".into(), Arc::new(place)), ("tags".into(), Arc::new(tags.finish()))])
}

fn decimals(rows: &[(u64, bool)]) -> Result<Columns, ArrowError> {
    let mut columns = vec![id(rows)];
    for column in 1..10_u64 {
        let precision = [9, 18, 28, 38][(column % 4) as usize];
        columns.push((format!("d{column}"), decimal(rows, column, precision, (column % 5) as i8)?));
    }
    let changed = rows.iter().map(|(_, changed)| i64::from(*changed)).collect::<Int64Array>();
    columns.push(("version".into(), Arc::new(changed)));
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    fn ids(spec: &Spec) -> Vec<i64> {
        let batch = |number| spec.batch(number).unwrap();
        (0..spec.batches())
            .flat_map(|n| batch(n).column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    #[test]
    fn a_shuffled_table_has_the_same_rows_in_another_order() {
        let ordered = Spec { kind: Kind::Plain, rows: 20_003, change: Change::None, shuffled: false };
        let shuffled = Spec { shuffled: true, ..ordered };
        let (a, b) = (ids(&ordered), ids(&shuffled));
        assert_ne!(a, b);
        assert!(a.is_sorted());
        assert_eq!(a.iter().collect::<BTreeSet<_>>(), b.iter().collect::<BTreeSet<_>>());
        assert_eq!(a.len(), b.len());
    }

    #[test]
    fn two_in_ten_thousand_rows_differ() {
        let rows = 40_000;
        for kind in [Kind::Plain, Kind::Wide, Kind::Text, Kind::Documents, Kind::Decimals] {
            let spec = Spec { kind, rows, change: Change::Few, shuffled: false };
            let whole: BTreeSet<i64> = ids(&Spec { change: Change::None, ..spec }).into_iter().collect();
            let few: BTreeSet<i64> = ids(&spec).into_iter().collect();
            assert_eq!((whole.difference(&few).count(), few.difference(&whole).count()), (2, 2));
            let changed = spec.rows_at(5_000);
            let (one, other) = (spec.of_rows(&changed).unwrap(), spec.of_rows(&[(10_000, false)]).unwrap());
            let differing = one.columns().iter().zip(other.columns()).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 1, "{kind:?}");
        }
    }
}
