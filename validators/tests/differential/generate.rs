//! Random pairs of tables: one made at random, the other a damaged copy of it, or made at random too.

use std::collections::BTreeMap;

use counterfoil_model::Value;
use counterfoil_model::decimal::Decimal;
use counterfoil_model::time::{MAX_INSTANT, MIN_INSTANT};

use crate::slow;

/// xorshift64*: small, and the same everywhere (Vigna, "An experimental exploration of Marsaglia's xorshift generators,
/// scrambled").
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) as usize) % end
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    UInt,
    Numbers,
    Decimal,
    Float,
    Float32,
    Text,
    Bytes,
    Instant,
    Local,
    Date,
    Time,
    Uuid,
    Json,
    Geo,
    Ref,
    Nested,
    Mixed,
}

const KINDS: [Kind; 19] = [
    Kind::Bool,
    Kind::Int,
    Kind::UInt,
    Kind::Numbers,
    Kind::Decimal,
    Kind::Float,
    Kind::Float32,
    Kind::Text,
    Kind::Bytes,
    Kind::Instant,
    Kind::Local,
    Kind::Date,
    Kind::Time,
    Kind::Uuid,
    Kind::Json,
    Kind::Geo,
    Kind::Ref,
    Kind::Nested,
    Kind::Mixed,
];

fn decimal(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

impl Kind {
    /// A value; `wide` from many, else from a few, so that some repeat.
    fn value(self, rng: &mut Rng, wide: bool) -> Value {
        let n = if wide { rng.below(100_000) as i64 } else { rng.below(6) as i64 };
        match self {
            Self::Bool => Value::Bool(n % 2 == 0),
            Self::Int if n == 5 => Value::Int(rng.pick(&[i64::MIN, i64::MAX, (1 << 53) + 1])),
            Self::Int => Value::Int(n - 2),
            Self::UInt if n == 5 => Value::UInt(rng.pick(&[u64::MAX, 1 << 63])),
            Self::UInt => Value::UInt(n as u64),
            // Numbers of one column: never both a float and a decimal, for which equal isn't transitive (NUM-2).
            Self::Numbers => rng.pick(&[Value::Int(n), Value::UInt(n as u64), Value::Float(n as f64)]),
            Self::Decimal => rng.pick(&[
                decimal(&format!("{n}.50")),
                decimal(&format!("-{n}.123456789012345678901234567")),
                decimal(&n.to_string()),
            ]),
            Self::Float => float(rng, n),
            Self::Float32 => Value::Float32(rng.pick(&[n as f32, 0.1, -0.0, 0.0, f32::NAN, f32::MAX, 1e-45])),
            Self::Text if wide => Value::Text(format!("key number {n}")),
            Self::Text => Value::Text(
                rng.pick(&[
                    "",
                    "a",
                    "b",
                    "a ",
                    "a\0",
                    "\0",
                    "é",
                    "e\u{301}",
                    "a text of more than twelve bytes",
                    "а",
                ])
                .into(),
            ),
            Self::Bytes if wide => Value::Bytes(n.to_le_bytes().to_vec()),
            Self::Bytes => {
                Value::Bytes(rng.pick(&[vec![], vec![0], vec![0, 0], vec![255; 20], b"a".to_vec()]))
            }
            Self::Instant => Value::Timestamp(rng.pick(&[i128::from(n), MIN_INSTANT, MAX_INSTANT, 0, -1])),
            Self::Local => Value::LocalTimestamp(rng.pick(&[i128::from(n), MIN_INSTANT, 1])),
            Self::Date => Value::Date(rng.pick(&[n as i32, -719_162, 2_932_896])),
            Self::Time => Value::Time(rng.pick(&[n, 0, 86_399_999_999_999])),
            Self::Uuid => Value::Uuid(u128::from(n as u64).to_be_bytes()),
            Self::Json => Value::Json(rng.pick(&[
                format!("{{\"a\": {n}, \"b\": null}}"),
                format!("{{\"b\":null,\"a\":{n}.0}}"),
                format!("[{n}]"),
                "{}".into(),
                "null".into(),
            ])),
            Self::Geo => Value::Geo(rng.pick(&[0.0, -0.0, n as f64]), rng.pick(&[180.0, -180.0])),
            Self::Ref => Value::Ref(format!("users/u{n}")),
            Self::Nested => self.nested(rng, n),
            Self::Mixed => rng.pick(&[
                Value::Int(n),
                Value::Text(n.to_string()),
                Value::Bool(true),
                Value::Bytes(vec![n as u8]),
                Value::List(vec![Value::Int(n)]),
            ]),
        }
    }

    fn nested(self, rng: &mut Rng, n: i64) -> Value {
        let inner = rng.pick(&[
            Value::Null,
            Value::Int(n),
            Value::Float(0.0),
            Value::Float(-0.0),
            Value::Text("x".into()),
        ]);
        rng.pick(&[
            Value::List(vec![]),
            Value::List(vec![inner.clone(), Value::Int(1)]),
            Value::List(vec![Value::Int(1), inner.clone()]),
            Value::map(vec![("a".into(), inner.clone()), ("b".into(), Value::Null)]),
            Value::map(vec![("a".into(), inner)]),
        ])
    }
}

fn float(rng: &mut Rng, n: i64) -> Value {
    let near = f64::from_bits((n as f64).to_bits().wrapping_add(1));
    Value::Float(rng.pick(&[
        n as f64,
        near,
        0.0,
        -0.0,
        f64::NAN,
        f64::from_bits(0xfff8_0000_0000_0001),
        f64::INFINITY,
        f64::NEG_INFINITY,
        5e-324,
        0.1 + 0.2,
        0.3,
    ]))
}

/// A pair of tables.
#[derive(Debug)]
pub struct Case {
    /// How many columns there are.
    pub columns: usize,
    /// How many of them, from the first on, are the key; none: a bag.
    pub keys: usize,
    pub expected: Vec<Vec<Value>>,
    pub actual: Vec<Vec<Value>>,
    /// Keys that several rows of one side have, as findings show them; and one way of writing each.
    pub repeated: BTreeMap<String, String>,
}

impl Case {
    pub fn new(rng: &mut Rng) -> Self {
        let columns = 1 + rng.below(4);
        let kinds: Vec<Kind> = (0..columns).map(|_| rng.pick(&KINDS)).collect();
        let keys = rng.below(columns.min(2) + 1);
        // Log-distributed: half of all cases have fewer than 40 rows.
        let rows =
            if rng.one_in(50) { 0 } else { 2_f64.powf(rng.below(1_000) as f64 / 1_000.0 * 10.5) as usize };
        let wide = rng.one_in(2);
        let null = if rng.one_in(3) { 6 } else { usize::MAX };
        let row = |rng: &mut Rng| -> Vec<Value> {
            let cell = |(at, kind): (usize, &Kind)| match rng.below(null) {
                0 if null < usize::MAX => Value::Null,
                _ => kind.value(rng, wide && at == 0),
            };
            kinds.iter().enumerate().map(cell).collect()
        };
        let expected: Vec<Vec<Value>> = (0..rows).map(|_| row(rng)).collect();
        let actual =
            if rng.one_in(5) { (0..rows).map(|_| row(rng)).collect() } else { damaged(&expected, rng, row) };
        let mut case = Self { columns, keys, expected, actual, repeated: BTreeMap::new() };
        case.repeated = slow::repeated(&case);
        case
    }
}

/// A copy with rows lost, added, doubled, and cells changed; sometimes with none.
fn damaged(rows: &[Vec<Value>], rng: &mut Rng, row: impl Fn(&mut Rng) -> Vec<Value>) -> Vec<Vec<Value>> {
    let rate = rng.pick(&[usize::MAX, 200, 20, 3]);
    let mut all = Vec::new();
    for original in rows {
        if rate < usize::MAX && rng.one_in(rate) {
            match rng.below(4) {
                0 => continue,
                1 => all.push(row(rng)),
                2 => all.push(original.clone()),
                _ => {
                    let (mut changed, other) = (original.clone(), row(rng));
                    let at = rng.below(changed.len());
                    changed[at].clone_from(&other[at]);
                    all.push(changed);
                    continue;
                }
            }
        }
        all.push(original.clone());
    }
    all
}
