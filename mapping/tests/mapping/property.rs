//! Whatever the values are, a bare mapping gives them back.

use counterfoil_model::decimal::Decimal;
use counterfoil_model::{Value, column};
use proptest::prelude::*;

use crate::support::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(NULL),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<u32>().prop_map(|bits| Value::Float32(f32::from_bits(bits))),
        (any::<i128>(), 0_i32..38).prop_map(|(unscaled, scale)| {
            Value::Decimal(Decimal::new(arrow::datatypes::i256::from_i128(unscaled), scale))
        }),
        ".{0,20}".prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        (-62_135_596_800_000_000_000_i128..253_402_300_800_000_000_000).prop_map(Value::Timestamp),
        any::<i32>().prop_map(Value::Date),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        any::<(f64, f64)>().prop_map(|(a, b)| Value::Geo(a, b)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|m| Value::map(m.into_iter().collect())),
        ]
    })
}

/// Values as the column that holds them keeps them; bits are compared, so NaNs count.
fn kept(values: &[Value]) -> Vec<Vec<u8>> {
    let encode = |value: &Value| {
        let mut out = Vec::new();
        counterfoil_model::encoding::encode(value, &mut out);
        out
    };
    values.iter().map(encode).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_bare_mapping_is_the_identity(
        left in prop::collection::vec(value(), 0..12),
        right in prop::collection::vec(value(), 0..12),
    ) {
        let case = Case::new()
            .from("a.t", vec![("x", left.clone())])
            .from("b.t", vec![("x", right.clone())])
            .target(&["y"])
            .column("y", "x");
        let all: Vec<Value> = left.into_iter().chain(right).collect();
        prop_assert_eq!(kept(&case.values("y")), kept(&all));
    }

    #[test]
    fn one_type_crosses_to_polars_and_back(
        values in prop::collection::vec(prop_oneof![Just(None), any::<i64>().prop_map(Some)], 1..20),
        texts in prop::collection::vec(".{0,30}", 1..20),
    ) {
        let ints: Vec<Value> = values.iter().map(|v| v.map_or(NULL, Value::Int)).collect();
        let crossed = through(ints.clone(), "coalesce(x, x)");
        prop_assert_eq!(crossed, ints);
        let texts: Vec<Value> = texts.into_iter().map(Value::Text).collect();
        prop_assert!(texts.iter().all(|t| column::fits(counterfoil_model::Type::Text, t)));
        prop_assert_eq!(through(texts.clone(), "coalesce(x, x)"), texts);
    }
}
