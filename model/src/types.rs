//! Canonical column types, each with one Arrow representation.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// The metadata key of Arrow's extension types.
pub const EXTENSION: &str = "ARROW:extension:name";

/// A canonical column type. Connectors turn each native type into one of these without loss.
///
/// | type | Arrow storage | extension name |
/// | --- | --- | --- |
/// | `Null` | Null | |
/// | `Bool` | Boolean | |
/// | `Int`, `UInt` | Int64, UInt64 | |
/// | `Decimal` | Decimal128, beyond 38 digits Decimal256 | |
/// | `Float32`, `Float` | Float32, Float64 | |
/// | `Text` | Utf8View | |
/// | `Bytes` | BinaryView | |
/// | `Timestamp` | Decimal128(21, 9): seconds since 1970, exact to the nanosecond | `counterfoil.timestamp` |
/// | `LocalTimestamp` | the same, without zone | `counterfoil.local_timestamp` |
/// | `Date` | Date32 | |
/// | `Time` | Time64(ns) | |
/// | `Uuid` | FixedSizeBinary(16) | `arrow.uuid` |
/// | `Json` | Utf8View | `arrow.json` |
/// | `Geo` | Struct(latitude, longitude: Float64) | `counterfoil.geopoint` |
/// | `Ref` | Utf8View | `counterfoil.reference` |
/// | `Variant` | BinaryView: the value's canonical encoding (lists, maps, mixed types) | `counterfoil.variant` |
///
/// Arrow's own timestamps hold 64 bits, which in nanoseconds is not even six centuries; hence the decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Type {
    Null,
    Bool,
    Int,
    UInt,
    Decimal { precision: u8, scale: i8 },
    Float32,
    Float,
    Text,
    Bytes,
    Timestamp,
    LocalTimestamp,
    Date,
    Time,
    Uuid,
    Json,
    Geo,
    Ref,
    Variant,
}

impl Type {
    /// The Arrow storage type.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::UInt => DataType::UInt64,
            Self::Decimal { precision, scale } if precision <= 38 => DataType::Decimal128(precision, scale),
            Self::Decimal { precision, scale } => DataType::Decimal256(precision, scale),
            Self::Float32 => DataType::Float32,
            Self::Float => DataType::Float64,
            Self::Text | Self::Json | Self::Ref => DataType::Utf8View,
            Self::Bytes | Self::Variant => DataType::BinaryView,
            Self::Timestamp | Self::LocalTimestamp => DataType::Decimal128(21, 9),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Nanosecond),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Geo => DataType::Struct(geo_fields()),
        }
    }

    /// The Arrow extension name, where the storage type alone doesn't tell.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::Timestamp => Some("counterfoil.timestamp"),
            Self::LocalTimestamp => Some("counterfoil.local_timestamp"),
            Self::Uuid => Some("arrow.uuid"),
            Self::Json => Some("arrow.json"),
            Self::Geo => Some("counterfoil.geopoint"),
            Self::Ref => Some("counterfoil.reference"),
            Self::Variant => Some("counterfoil.variant"),
            _ => None,
        }
    }

    /// A nullable Arrow field of this type.
    pub fn field(self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        match self.extension() {
            Some(extension) => field.with_metadata(HashMap::from([(EXTENSION.into(), extension.into())])),
            None => field,
        }
    }

    /// The canonical type of a field made by [`Type::field`]; `None` for Arrow fields of other origin.
    pub fn of(field: &Field) -> Option<Self> {
        let extension = field.metadata().get(EXTENSION).map(String::as_str);
        Some(match (field.data_type(), extension) {
            (DataType::Decimal128(21, 9), Some("counterfoil.timestamp")) => Self::Timestamp,
            (DataType::Decimal128(21, 9), Some("counterfoil.local_timestamp")) => Self::LocalTimestamp,
            (DataType::FixedSizeBinary(16), Some("arrow.uuid")) => Self::Uuid,
            (DataType::Utf8View, Some("arrow.json")) => Self::Json,
            (DataType::Utf8View, Some("counterfoil.reference")) => Self::Ref,
            (DataType::Struct(_), Some("counterfoil.geopoint")) => Self::Geo,
            (DataType::BinaryView, Some("counterfoil.variant")) => Self::Variant,
            (DataType::Null, _) => Self::Null,
            (DataType::Boolean, _) => Self::Bool,
            (DataType::Int64, _) => Self::Int,
            (DataType::UInt64, _) => Self::UInt,
            (DataType::Decimal128(p, s) | DataType::Decimal256(p, s), _) => {
                Self::Decimal { precision: *p, scale: *s }
            }
            (DataType::Float32, _) => Self::Float32,
            (DataType::Float64, _) => Self::Float,
            (DataType::Utf8View, _) => Self::Text,
            (DataType::BinaryView, _) => Self::Bytes,
            (DataType::Date32, _) => Self::Date,
            (DataType::Time64(TimeUnit::Nanosecond), _) => Self::Time,
            _ => return None,
        })
    }

    /// Whether values of this type are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::UInt | Self::Decimal { .. } | Self::Float | Self::Float32)
    }
}

/// The two fields of a geopoint.
pub fn geo_fields() -> Fields {
    vec![
        Arc::new(Field::new("latitude", DataType::Float64, false)),
        Arc::new(Field::new("longitude", DataType::Float64, false)),
    ]
    .into()
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::UInt => "unsigned integer",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Float32 => "float32",
            Self::Float => "float",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::LocalTimestamp => "timestamp without zone",
            Self::Date => "date",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Geo => "geopoint",
            Self::Ref => "reference",
            Self::Variant => "variant",
        })
    }
}
