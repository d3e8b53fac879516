//! The published equality rules (docs/equality.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which rule decided that two values are equal or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Rule {
    #[serde(rename = "NULL-1")]
    Null1,
    #[serde(rename = "BOOL-1")]
    Bool1,
    #[serde(rename = "NUM-1")]
    Num1,
    #[serde(rename = "NUM-2")]
    Num2,
    #[serde(rename = "FLT-1")]
    Flt1,
    #[serde(rename = "TXT-1")]
    Txt1,
    #[serde(rename = "DEC-1")]
    Dec1,
    #[serde(rename = "BIN-1")]
    Bin1,
    #[serde(rename = "TS-1")]
    Ts1,
    #[serde(rename = "DATE-1")]
    Date1,
    #[serde(rename = "TIME-1")]
    Time1,
    #[serde(rename = "UUID-1")]
    Uuid1,
    #[serde(rename = "JSON-1")]
    Json1,
    #[serde(rename = "LIST-1")]
    List1,
    #[serde(rename = "MAP-1")]
    Map1,
    #[serde(rename = "GEO-1")]
    Geo1,
    #[serde(rename = "REF-1")]
    Ref1,
    #[serde(rename = "READ-1")]
    Read1,
}

/// Every rule with its id and what makes two values equal under it.
pub const RULES: [(Rule, &str, &str); 18] = [
    (Rule::Null1, "NULL-1", "both null; null is not '', 0, false or a default"),
    (Rule::Bool1, "BOOL-1", "the same truth value"),
    (Rule::Num1, "NUM-1", "the same mathematical value, whatever width, sign or scale"),
    (Rule::Num2, "NUM-2", "a float and a decimal that is its exact value or its shortest round-trip decimal"),
    (Rule::Flt1, "FLT-1", "the same 64 bits; all NaNs are one, and -0.0 = 0.0"),
    (Rule::Txt1, "TXT-1", "the same Unicode code points"),
    (Rule::Dec1, "DEC-1", "text read as a number, because the plan or the declared type says so"),
    (Rule::Bin1, "BIN-1", "the same bytes"),
    (Rule::Ts1, "TS-1", "the same instant, to the nanosecond"),
    (Rule::Date1, "DATE-1", "the same calendar date"),
    (Rule::Time1, "TIME-1", "the same time of day"),
    (Rule::Uuid1, "UUID-1", "the same 128 bits"),
    (Rule::Json1, "JSON-1", "the same JSON value; key order and white space don't matter, array order does"),
    (Rule::List1, "LIST-1", "equal element by element, in order"),
    (Rule::Map1, "MAP-1", "equal key by key"),
    (Rule::Geo1, "GEO-1", "both coordinates equal by FLT-1"),
    (Rule::Ref1, "REF-1", "the same document path"),
    (Rule::Read1, "READ-1", "a value that can't be read as the type it should have is a difference"),
];

impl Rule {
    /// The published id, such as `NUM-1`.
    pub fn id(self) -> &'static str {
        RULES.iter().find(|(rule, ..)| *rule == self).map_or("", |(_, id, _)| id)
    }

    /// What makes two values equal under this rule.
    pub fn text(self) -> &'static str {
        RULES.iter().find(|(rule, ..)| *rule == self).map_or("", |(.., text)| text)
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
