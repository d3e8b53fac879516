//! `fixtures/canon/vectors.json`: what docs/encoding.md says, as bytes. `tests/oracle/test_vectors.py` reproduces all
//! of it independently.

use std::path::Path;

use counterfoil_model::column::{build, unify};
use counterfoil_model::decimal::Decimal;
use counterfoil_model::time::{MAX_INSTANT, MIN_INSTANT};
use counterfoil_model::{Type, Value, encoding, key};
use counterfoil_snapshots::{column_digest, merkle_root};
use serde_json::{Value as Json, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A value as JSON that loses nothing.
fn tagged(value: &Value) -> Json {
    match value {
        Value::Null => json!({ "null": true }),
        Value::Bool(b) => json!({ "bool": b }),
        Value::Int(i) => json!({ "int": i.to_string() }),
        Value::UInt(u) => json!({ "uint": u.to_string() }),
        Value::Decimal(d) => json!({ "decimal": d.to_string() }),
        Value::Float32(x) => json!({ "float32_bits": format!("{:08x}", x.to_bits()) }),
        Value::Float(x) => json!({ "float_bits": format!("{:016x}", x.to_bits()) }),
        Value::Text(s) => json!({ "text": s }),
        Value::Bytes(b) => json!({ "bytes": hex(b) }),
        Value::Timestamp(n) => json!({ "timestamp_ns": n.to_string() }),
        Value::LocalTimestamp(n) => json!({ "local_timestamp_ns": n.to_string() }),
        Value::Date(d) => json!({ "date_days": d }),
        Value::Time(t) => json!({ "time_ns": t.to_string() }),
        Value::Uuid(u) => json!({ "uuid": hex(u) }),
        Value::Json(s) => json!({ "json": s }),
        Value::Geo(a, b) => {
            json!({ "geo_bits": [format!("{:016x}", a.to_bits()), format!("{:016x}", b.to_bits())] })
        }
        Value::Ref(s) => json!({ "ref": s }),
        Value::List(items) => json!({ "list": items.iter().map(tagged).collect::<Vec<_>>() }),
        Value::Map(entries) => {
            json!({ "map": entries.iter().map(|(k, v)| json!([k, tagged(v)])).collect::<Vec<_>>() })
        }
    }
}

fn d(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

fn text(s: &str) -> Value {
    Value::Text(s.into())
}

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        Value::Int(0),
        Value::Int(-1),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::UInt(1),
        Value::UInt(u64::MAX),
        d("0"),
        d("1.50"),
        d("-0.001"),
        d("1000"),
        d("99999999999999999999999999999999999999"),
        Value::Float(0.0),
        Value::Float(-0.0),
        Value::Float(0.1),
        Value::Float(f64::INFINITY),
        Value::Float(5e-324),
        Value::Float32(1.5),
        text(""),
        text("a"),
        text("Zoë 你好"),
        Value::Bytes(vec![]),
        Value::Bytes(vec![0, 255]),
        Value::Timestamp(0),
        Value::Timestamp(MIN_INSTANT),
        Value::Timestamp(MAX_INSTANT),
        Value::LocalTimestamp(-1),
        Value::Date(-719_162),
        Value::Date(20_000),
        Value::Time(86_399_999_999_999),
        Value::Uuid([0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255]),
        Value::Json("{\"a\": 1}".into()),
        Value::Geo(52.5, -13.25),
        Value::Ref("users/u1".into()),
        Value::List(vec![]),
        Value::List(vec![Value::Int(1), text("x"), Value::Null]),
        Value::map(vec![]),
        Value::map(vec![
            ("b".into(), Value::Bool(true)),
            ("a".into(), Value::List(vec![Value::map(vec![])])),
        ]),
    ]
}

/// Keys in ascending order; each group is one key under the equality rules.
fn keys() -> Vec<Vec<Value>> {
    vec![
        vec![Value::Null],
        vec![Value::Bool(false)],
        vec![Value::Bool(true)],
        vec![d("-1e30")],
        vec![Value::Int(i64::MIN)],
        vec![d("-1.5"), Value::Float(-1.5)],
        vec![Value::Int(-1)],
        vec![Value::Int(0), Value::Float(-0.0), d("0.00")],
        vec![Value::Float(0.25), d("0.25")],
        vec![Value::Int(1), Value::UInt(1), d("1.0"), Value::Float(1.0)],
        vec![d("1.25")],
        vec![Value::Int(i64::MAX)],
        vec![Value::UInt(u64::MAX)],
        vec![d("1e30")],
        vec![text("")],
        vec![text("a")],
        vec![text("a\u{0}")],
        vec![text("a\u{0}b")],
        vec![text("ab")],
        vec![text("b"), Value::Json("\"b\"".into())],
        vec![Value::Ref("users/u1".into())],
        vec![Value::Json(" null".into()), Value::Json("null".into())],
        vec![Value::Json("{\"a\": 1, \"a\": 1}".into())],
        vec![Value::Bytes(vec![0])],
        vec![Value::Timestamp(MIN_INSTANT)],
        vec![Value::Timestamp(0)],
        vec![Value::Date(-1)],
        vec![Value::Uuid([7; 16])],
        vec![Value::Geo(-0.0, 180.0), Value::Geo(0.0, 180.0)],
        vec![Value::List(vec![]), Value::Json(" [ ] ".into())],
        vec![Value::List(vec![Value::Null])],
        vec![Value::List(vec![Value::Int(1), Value::Float(2.5)]), Value::Json("[1.0, 2.50]".into())],
        vec![
            Value::map(vec![("a".into(), Value::Int(1)), ("b".into(), Value::List(vec![Value::Bool(true)]))]),
            Value::Json("{\"b\": [true], \"a\": 1}".into()),
        ],
    ]
}

fn vectors() -> Json {
    let encode = |v: &Value| {
        let mut out = Vec::new();
        encoding::encode(v, &mut out);
        json!({ "value": tagged(v), "encoding": hex(&out) })
    };
    let ordered = |v: &Value| {
        let mut out = Vec::new();
        key::encode_ordered(v, &mut out);
        hex(&out)
    };
    let columns = [
        vec![],
        vec![Value::Int(1), Value::Int(2), Value::Null],
        vec![text("ab"), text("c")],
        vec![text("a"), text("bc")],
        vec![Value::Null],
        vec![text("")],
        vec![text("x"), Value::Null, text("")],
        (0..9).map(|i| if i == 4 { Value::Null } else { Value::Bool(i % 2 == 0) }).collect(),
        vec![Value::UInt(7)],
        vec![Value::UInt(7), Value::UInt(u64::MAX)],
        vec![d("1.50"), d("-0.001"), Value::Null],
        vec![d("99999999999999999999999999999999999999.5")],
        vec![Value::Float(0.1), Value::Null, Value::Float(-0.0)],
        vec![Value::Float32(1.5)],
        vec![Value::Bytes(vec![0, 255]), Value::Bytes(vec![])],
        vec![Value::Timestamp(1_500_000_000), Value::Null],
        vec![Value::LocalTimestamp(-1)],
        vec![Value::Date(-719_162), Value::Date(20_000)],
        vec![Value::Time(86_399_999_999_999)],
        vec![Value::Uuid([7; 16]), Value::Null],
        vec![Value::Json("{}".into())],
        vec![Value::Geo(52.5, -13.25), Value::Null],
        vec![Value::Ref("users/u1".into())],
        vec![Value::Int(1), text("mixed"), Value::List(vec![Value::Null]), Value::Null],
    ];
    let column = |values: &Vec<Value>| {
        let kind = values.iter().map(Value::column_type).fold(Type::Null, unify);
        let digest = column_digest(&build(kind, values), kind);
        let shown: Vec<Json> = values.iter().map(tagged).collect();
        json!({ "type": kind.to_string(), "values": shown, "digest": hex(&digest) })
    };
    let children = [("id", [1_u8; 32]), ("name", [2_u8; 32])];
    let shown: Vec<Json> = children.iter().map(|(n, digest)| json!([n, hex(digest)])).collect();
    json!({
        "values": values().iter().map(encode).collect::<Vec<_>>(),
        "keys": keys().iter().map(|group| {
            let encodings: Vec<String> = group.iter().map(ordered).collect();
            assert!(encodings.windows(2).all(|w| w[0] == w[1]), "{group:?} is one key");
            json!({ "values": group.iter().map(tagged).collect::<Vec<_>>(), "key": encodings[0] })
        }).collect::<Vec<_>>(),
        "columns": columns.iter().map(column).collect::<Vec<_>>(),
        "roots": [
            { "children": shown, "root": hex(&merkle_root(children)) },
            { "children": [], "root": hex(&merkle_root([])) },
        ],
    })
}

#[test]
fn vectors_are_as_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/canon/vectors.json");
    let now = format!("{:#}\n", vectors());
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(
        published == now,
        "an encoding changed: digests and snapshots of earlier versions would no longer hold"
    );
    let keys: Vec<String> =
        vectors()["keys"].as_array().unwrap().iter().map(|k| k["key"].as_str().unwrap().to_owned()).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "keys stand in ascending order");
}

#[test]
fn every_value_comes_back_from_its_encoding() {
    for value in values() {
        let mut out = Vec::new();
        encoding::encode(&value, &mut out);
        let back = encoding::decode(&out).unwrap();
        // An unsigned integer that fits is the same integer.
        let same =
            matches!((&value, &back), (Value::UInt(u), Value::Int(i)) if i128::from(*u) == i128::from(*i));
        assert!(same || format!("{value:?}") == format!("{back:?}"), "{value:?} {back:?}");
        for cut in 0..out.len() {
            assert!(encoding::decode(&out[..cut]).is_err(), "{value:?} cut to {cut} bytes");
        }
    }
}
