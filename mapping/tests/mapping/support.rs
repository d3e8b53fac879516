//! Tables and plans in a few words.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use counterfoil_mapping::{Expected, MappingError, Request, Source, derive};
use counterfoil_model::decimal::Decimal;
use counterfoil_model::plan::{ColumnPlan, Dedup, Defaults, Origin, Spanned, TablePlan};
use counterfoil_model::table::ColumnFacts;
use counterfoil_model::{ColumnBuilder, MemoryTable, Table, TableFacts, Type, Value, value_at};

pub fn text(value: &str) -> Value {
    Value::Text(value.into())
}

pub fn int(value: i64) -> Value {
    Value::Int(value)
}

pub fn decimal(value: &str) -> Value {
    Value::Decimal(Decimal::parse(value).unwrap())
}

pub fn list(items: Vec<Value>) -> Value {
    Value::List(items)
}

pub fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::map(entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

pub const NULL: Value = Value::Null;

/// A text of the plan; the line tells the places apart.
pub fn at(line: u32, value: &str) -> Spanned<String> {
    Spanned::new(value.into(), Origin { line, column: 1 })
}

/// A batch of columns, each in the narrowest type of its values.
pub fn batch(columns: Vec<(&str, Vec<Value>)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns
        .into_iter()
        .map(|(name, values)| {
            let mut builder = ColumnBuilder::new();
            values.into_iter().for_each(|v| builder.push(v));
            builder.finish(name)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// A mapping under construction.
#[derive(Default)]
pub struct Case {
    pub plan: TablePlan,
    pub sources: BTreeMap<String, Source>,
    pub target: Option<TableFacts>,
    pub defaults: Defaults,
}

impl Case {
    pub fn new() -> Self {
        let plan = TablePlan { name: at(1, "things"), ..Default::default() };
        Self { plan, ..Default::default() }
    }

    /// A source that the plan's `from` names.
    pub fn from(mut self, name: &str, columns: Vec<(&str, Vec<Value>)>) -> Self {
        self = self.source(name, batch(columns));
        self.plan.from.push(at(2, name));
        self
    }

    /// A source that `from` doesn't name, in two chunks.
    pub fn source(mut self, name: &str, batch: RecordBatch) -> Self {
        let (connection, own) = name.split_once('.').unwrap();
        let half = batch.num_rows() / 2;
        let halves = vec![batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
        let table: Arc<dyn Table> = Arc::new(MemoryTable::new(own, batch.schema(), halves));
        let source = Source { connection: connection.into(), table, facts: TableFacts::default() };
        self.sources.insert(name.into(), source);
        self
    }

    pub fn key(mut self, source: &str, columns: &[&str]) -> Self {
        let facts = &mut self.sources.get_mut(source).unwrap().facts;
        facts.primary_key = columns.iter().map(|c| (*c).into()).collect();
        self
    }

    pub fn target(mut self, columns: &[&str]) -> Self {
        let column = |name: &&str| ColumnFacts { name: (*name).into(), ..Default::default() };
        self.target =
            Some(TableFacts { columns: columns.iter().map(column).collect(), ..Default::default() });
        self
    }

    /// A column with an expression, at line 10 and on.
    pub fn column(mut self, name: &str, expect: &str) -> Self {
        let line = 10 + self.plan.columns.len() as u32;
        self.plan.columns.push(ColumnPlan {
            name: at(line, name),
            expect: Some(at(line, expect)),
            ..Default::default()
        });
        self
    }

    pub fn filter(mut self, condition: &str) -> Self {
        self.plan.filter = Some(at(5, condition));
        self
    }

    pub fn explode(mut self, path: &str) -> Self {
        self.plan.explode = Some(at(6, path));
        self
    }

    pub fn dedup(mut self, by: &str, keep: Option<(&str, bool)>) -> Self {
        self.plan.dedup = Some(Dedup {
            by: at(7, by),
            keep_column: keep.map(|(column, _)| at(7, column)),
            keep_last: keep.is_some_and(|(_, last)| last),
        });
        self
    }

    pub fn sql(mut self, sql: &str) -> Self {
        self.plan.sql = Some(at(8, sql));
        self
    }

    pub fn derive(&self) -> Result<Expected, MappingError> {
        let derived = self.derive_how(false);
        // A table that may stay where it is holds the same rows as the derived one.
        let direct = self.derive_how(true);
        match (&derived, &direct) {
            (Ok(derived), Ok(direct)) => {
                assert_eq!(derived.rows.batch().unwrap(), direct.rows.batch().unwrap());
                assert_eq!(derived.lineage.sources, direct.lineage.sources);
                assert_eq!(
                    (&derived.mapped, &derived.unmapped_source, &derived.unmapped_target),
                    (&direct.mapped, &direct.unmapped_source, &direct.unmapped_target)
                );
            }
            (Err(derived), Err(direct)) => assert_eq!(derived.message, direct.message),
            _ => panic!("only one of them is an error"),
        }
        derived
    }

    fn derive_how(&self, direct: bool) -> Result<Expected, MappingError> {
        derive(&Request {
            plan: &self.plan,
            sources: &self.sources,
            target: self.target.as_ref(),
            defaults: &self.defaults,
            direct,
            memory: None,
        })
    }

    #[track_caller]
    pub fn expected(&self) -> Expected {
        match self.derive() {
            Ok(expected) => expected,
            Err(e) => panic!("{}: {} ({:?})", e.origin, e.message, e.help),
        }
    }

    /// The values of one column.
    #[track_caller]
    pub fn values(&self, column: &str) -> Vec<Value> {
        values(&self.expected(), column)
    }

    #[track_caller]
    pub fn error(&self) -> MappingError {
        match self.derive() {
            Ok(expected) => panic!("no error, but {:?}", expected.rows),
            Err(error) => error,
        }
    }

    /// The message of the error, which stands at a line of the plan.
    #[track_caller]
    pub fn message(&self, line: u32) -> String {
        let error = self.error();
        assert_eq!(error.origin.line, line, "{}", error.message);
        assert!(!error.text.is_empty());
        error.message
    }
}

pub fn values(expected: &Expected, column: &str) -> Vec<Value> {
    let schema = expected.rows.schema();
    let position = schema.index_of(column).unwrap();
    let kind = Type::of(schema.field(position)).unwrap();
    let batch = expected.rows.batch().unwrap();
    (0..batch.num_rows()).map(|row| value_at(batch.column(position), kind, row)).collect()
}

pub fn kind(expected: &Expected, column: &str) -> Type {
    Type::of(expected.rows.schema().field_with_name(column).unwrap()).unwrap()
}

/// One column `x` through one expression.
#[track_caller]
pub fn through(values: Vec<Value>, expression: &str) -> Vec<Value> {
    Case::new().from("a.t", vec![("x", values)]).target(&["y"]).column("y", expression).values("y")
}

/// The error that one expression over one column `x` gives.
#[track_caller]
pub fn refused(values: Vec<Value>, expression: &str) -> MappingError {
    Case::new().from("a.t", vec![("x", values)]).target(&["y"]).column("y", expression).error()
}
