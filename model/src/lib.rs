//! The words of counterfoil as types: canonical values, tables, keys, digests, rules, findings, plans and
//! reports. No I/O, no async, no printing. Every other member speaks through these types, and only through
//! these.

pub mod column;
pub mod decimal;
pub mod encoding;
pub mod finding;
pub mod json;
pub mod key;
pub mod keys;
pub mod lineage;
pub mod names;
pub mod pair;
pub mod plan;
pub mod read;
pub mod report;
pub mod rule;
pub mod table;
pub mod time;
pub mod types;
pub mod value;
pub mod wording;

pub use column::{ColumnBuilder, value_at};
pub use finding::{CheckOutcome, Coverage, Difference, DifferenceSink, Finding, FindingKind, Level, Verdict};
pub use key::KeySpec;
pub use keys::Keys;
pub use read::ReadAs;
pub use rule::Rule;
pub use table::{MemoryTable, Table, TableError, TableFacts};
pub use types::Type;
pub use value::Value;
