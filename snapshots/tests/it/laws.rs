//! The laws of digests: equal only for equal columns, and whatever the layout of a column in memory.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array,
    RecordBatch, StringViewArray, StructArray, UInt64Array, make_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{concat, interleave};
use arrow::datatypes::Schema;
use counterfoil_model::decimal::Decimal;
use counterfoil_model::{ColumnBuilder, Type, Value};
use counterfoil_snapshots::column_digest;
use proptest::prelude::*;

/// A column of these values, in the type that they need.
fn column(values: &[Value]) -> (Type, ArrayRef) {
    let mut builder = ColumnBuilder::new();
    values.iter().for_each(|v| builder.push(v.clone()));
    let (field, array) = builder.finish("v");
    (Type::of(&field).unwrap(), array)
}

fn digest(values: &[Value]) -> [u8; 32] {
    let (kind, array) = column(values);
    column_digest(&array, kind)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,3}",
        "[ab]{11,14}",
        Just(String::new()),
        Just("\u{0}".into()),
        Just("é".into()),
        Just("e\u{301}".into()),
    ]
}

/// Values of one type, or null.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let of = |value: BoxedStrategy<Value>| {
        prop::collection::vec(prop_oneof![1 => Just(Value::Null), 4 => value], 1..12).boxed()
    };
    let decimal = |t: &str| Value::Decimal(Decimal::parse(t).unwrap());
    prop_oneof![
        of((-2_i64..3).prop_map(Value::Int).boxed()),
        of(prop_oneof![Just(0_u64), Just(1), Just(u64::MAX), Just(1 << 63)].prop_map(Value::UInt).boxed()),
        of(prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(f64::NAN), Just(5e-324), Just(f64::INFINITY)]
            .prop_map(Value::Float)
            .boxed()),
        of(prop_oneof![Just(0.0_f32), Just(-0.0), Just(1.0), Just(f32::MIN_POSITIVE)]
            .prop_map(Value::Float32)
            .boxed()),
        of(text().prop_map(Value::Text).boxed()),
        of(text().prop_map(|t| Value::Bytes(t.into_bytes())).boxed()),
        of(text().prop_map(Value::Ref).boxed()),
        of(any::<bool>().prop_map(Value::Bool).boxed()),
        of((-1_i128..2).prop_map(Value::Timestamp).boxed()),
        of((-1_i128..2).prop_map(Value::LocalTimestamp).boxed()),
        of((-1_i32..2).prop_map(Value::Date).boxed()),
        of((0_i64..3).prop_map(Value::Time).boxed()),
        of(any::<bool>().prop_map(|b| Value::Uuid([u8::from(b); 16])).boxed()),
        of(prop_oneof![Just("0.1"), Just("1"), Just("-1"), Just("10")].prop_map(decimal).boxed()),
        of(any::<bool>().prop_map(|b| Value::Geo(f64::from(u8::from(b)), -0.0)).boxed()),
        of(text().prop_map(|t| Value::List(vec![Value::Text(t), Value::Null])).boxed()),
    ]
}

/// Something that is almost the same column.
fn near_miss(values: &[Value], how: u8, at: usize) -> Vec<Value> {
    let mut near = values.to_vec();
    let at = at % near.len();
    let next = (at + 1) % near.len();
    match how % 8 {
        0 => near.swap(at, next),
        1 => near[at] = Value::Null,
        2 => {
            near.remove(at);
        }
        3 => near.insert(at, near[at].clone()),
        // A character moves over the border between two values.
        4 => {
            if let (Value::Text(a), Value::Text(b)) = (near[at].clone(), near[next].clone())
                && at != next
                && let Some(moved) = b.chars().next()
            {
                near[at] = Value::Text(format!("{a}{moved}"));
                near[next] = Value::Text(b[moved.len_utf8()..].to_owned());
            }
        }
        // The same in another type.
        5 => near.iter_mut().for_each(|value| {
            *value = match value.clone() {
                Value::Text(t) => Value::Bytes(t.into_bytes()),
                Value::Bytes(b) => Value::Ref(String::from_utf8_lossy(&b).into_owned()),
                Value::Int(i) => Value::Date(i as i32),
                Value::Timestamp(t) => Value::LocalTimestamp(t),
                Value::Float32(f) => Value::Float(f64::from(f)),
                Value::Float(f) => Value::Float32(f as f32),
                Value::Bool(b) => Value::Int(i64::from(b)),
                other => other,
            };
        }),
        6 => near.iter_mut().filter(|v| v.is_null()).for_each(|value| {
            *value = match values.iter().find(|v| !v.is_null()) {
                Some(Value::Text(_)) => Value::Text(String::new()),
                Some(Value::Bytes(_)) => Value::Bytes(Vec::new()),
                Some(Value::Int(_)) => Value::Int(0),
                Some(Value::Float(_)) => Value::Float(0.0),
                Some(Value::Bool(_)) => Value::Bool(false),
                Some(Value::Date(_)) => Value::Date(0),
                _ => Value::Null,
            };
        }),
        _ => near.push(Value::Null),
    }
    near
}

/// Whether two columns are the same: their types (a width of integers is none) and every bit of their values.
fn same(a: &[Value], b: &[Value]) -> bool {
    let shown = |values: &[Value]| {
        let kind = match column(values).0 {
            Type::UInt if values.iter().all(|v| !matches!(v, Value::UInt(u) if *u > i64::MAX as u64)) => {
                Type::Int
            }
            // Digits declared are no part of the values.
            Type::Decimal { scale, precision } => {
                Type::Decimal { scale, precision: if precision > 38 { 76 } else { 38 } }
            }
            kind => kind,
        };
        let bits = |value: &Value| match value {
            Value::Float(f) => format!("{:016x}", f.to_bits()),
            Value::Float32(f) => format!("{:08x}", f.to_bits()),
            Value::UInt(u) => format!("Int({u})"),
            other => format!("{other:?}"),
        };
        (kind.to_string(), values.iter().map(bits).collect::<Vec<_>>())
    };
    shown(a) == shown(b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn only_equal_columns_have_equal_digests(a in values(), how in any::<u8>(), at in any::<usize>()) {
        let b = near_miss(&a, how, at);
        prop_assert_eq!(digest(&a) == digest(&b), same(&a, &b), "{:?} and {:?}", a, b);
    }

    #[test]
    fn neither_offsets_nor_buffers_change_a_digest(a in values(), before in 0_usize..9, parts in 1_usize..4) {
        let (kind, array) = column(&a);
        let wanted = column_digest(&array, kind);
        // In the middle of a longer one.
        let around = (0..before).map(|i| i % array.len()).collect::<Vec<_>>();
        let padding = interleave(&[&array], &around.iter().map(|i| (0, *i)).collect::<Vec<_>>()).unwrap();
        let longer = concat(&[&padding, &array, &padding]).unwrap();
        prop_assert_eq!(column_digest(&longer.slice(before, array.len()), kind), wanted);
        // Put together from several, each with buffers of its own.
        let size = array.len().div_ceil(parts);
        let slices: Vec<ArrayRef> =
            (0..array.len()).step_by(size).map(|at| array.slice(at, size.min(array.len() - at))).collect();
        let copies: Vec<ArrayRef> = slices.iter().map(|s| concat(&[s.as_ref()]).unwrap()).collect();
        let together = concat(&copies.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()).unwrap();
        prop_assert_eq!(column_digest(&together, kind), wanted);
        // A validity that says that nothing is null is none.
        if array.null_count() == 0 && kind != Type::Null {
            let all = NullBuffer::new_valid(array.len());
            let data = array.to_data().into_builder().nulls(Some(all)).build().unwrap();
            prop_assert_eq!(column_digest(&make_array(data), kind), wanted);
        }
    }
}

#[test]
fn what_stands_under_a_null_is_nothing() {
    let nulls = || Some(NullBuffer::from(vec![true, false, true]));
    let pairs: Vec<(Type, ArrayRef, ArrayRef)> = vec![
        (
            Type::Int,
            Arc::new(Int64Array::new(vec![1, 0, 3].into(), nulls())),
            Arc::new(Int64Array::new(vec![1, 99, 3].into(), nulls())),
        ),
        (
            Type::UInt,
            Arc::new(UInt64Array::new(vec![1, 0, 3].into(), nulls())),
            // Beyond what a signed integer holds, but nobody's value.
            Arc::new(UInt64Array::new(vec![1, u64::MAX, 3].into(), nulls())),
        ),
        (
            Type::Float,
            Arc::new(Float64Array::new(vec![1.0, 0.0, 3.0].into(), nulls())),
            Arc::new(Float64Array::new(vec![1.0, f64::NAN, 3.0].into(), nulls())),
        ),
        (
            Type::Bool,
            Arc::new(BooleanArray::new(vec![true, false, true].into(), nulls())),
            Arc::new(BooleanArray::new(vec![true, true, true].into(), nulls())),
        ),
        (
            Type::Timestamp,
            Arc::new(
                Decimal128Array::new(vec![1, 0, 3].into(), nulls()).with_precision_and_scale(21, 9).unwrap(),
            ),
            Arc::new(
                Decimal128Array::new(vec![1, 7, 3].into(), nulls()).with_precision_and_scale(21, 9).unwrap(),
            ),
        ),
        (
            Type::Uuid,
            Arc::new(FixedSizeBinaryArray::new(16, vec![5_u8; 48].into(), nulls())),
            Arc::new(FixedSizeBinaryArray::new(16, [[5_u8; 16], [6; 16], [5; 16]].concat().into(), nulls())),
        ),
        (Type::Text, text_under("", nulls()), text_under("hidden", nulls())),
        (Type::Text, text_under("", nulls()), text_under("hidden, and longer than twelve bytes", nulls())),
        (Type::Geo, geo_under(0.0, nulls()), geo_under(f64::NAN, nulls())),
    ];
    for (kind, one, other) in pairs {
        assert_eq!(column_digest(&one, kind), column_digest(&other, kind), "{kind}");
        let shown =
            RecordBatch::try_new(Arc::new(Schema::new(vec![kind.field("v")])), vec![one.clone()]).unwrap();
        assert_ne!(column_digest(&one, kind), column_digest(&one.slice(0, 2), kind), "{shown:?}");
    }
}

fn text_under(hidden: &str, nulls: Option<NullBuffer>) -> ArrayRef {
    let array = StringViewArray::from(vec!["a", hidden, "c"]);
    Arc::new(StringViewArray::new(array.views().clone(), array.data_buffers().to_vec(), nulls))
}

fn geo_under(hidden: f64, nulls: Option<NullBuffer>) -> ArrayRef {
    let arrow::datatypes::DataType::Struct(fields) = Type::Geo.data_type() else { unreachable!() };
    let part: ArrayRef = Arc::new(Float64Array::from(vec![1.0, hidden, -0.0]));
    Arc::new(StructArray::new(fields, vec![part.clone(), part], nulls))
}
