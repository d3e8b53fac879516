//! What every connector promises, as code: each connector's tests call [`all`] with a way to make one that holds
//! given tables. After object_store's integration suite.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use counterfoil_model::{Type, Value, value_at};

use crate::{Connector, ErrorKind, Scan};

/// A table to hold: its name, and columns with names and values (of equal length).
pub type TestTable = (&'static str, Vec<(&'static str, Vec<Value>)>);

/// A way to make a connector, and what its format can hold.
pub struct Subject<'a> {
    /// Makes a connector that holds the tables.
    pub make: &'a dyn Fn(&[TestTable]) -> Box<dyn Connector>,
    /// How the format gives back a value that was put in; `None` where it can't hold it.
    pub holds: &'a dyn Fn(&Value) -> Option<Value>,
    /// Whether a table without rows keeps its columns.
    pub keeps_empty: bool,
    /// Columns that the format adds by itself.
    pub added: &'a [&'a str],
}

/// Runs the whole suite; the error says which law was broken.
///
/// # Errors
/// The first broken law.
pub fn all(subject: &Subject<'_>) -> Result<(), String> {
    lists_its_tables(subject)?;
    names_the_nearest_table(subject)?;
    gives_back_every_value(subject)?;
    keeps_nulls_and_order_of_columns(subject)?;
    reads_many_rows_twice_alike(subject)?;
    keeps_odd_names(subject)?;
    keeps_empty_tables(subject)
}

fn law(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn ids(n: i64) -> Vec<Value> {
    (0..n).map(|i| Value::Text(format!("id{i:06}"))).collect()
}

/// Reads a whole table, repeating for columns of mixed types as the engine does.
///
/// # Errors
/// What the connector says.
pub fn read(connector: &dyn Connector, table: &str) -> Result<Vec<RecordBatch>, String> {
    let mut mixed = BTreeSet::new();
    loop {
        let mut scan = connector.scan(table, &mixed).map_err(|e| e.to_string())?;
        match read_scan(scan.as_mut()) {
            Err(error) => match error.kind {
                ErrorKind::Mixed(column) if mixed.insert(column.clone()) => {}
                _ => return Err(error.to_string()),
            },
            Ok(batches) => return Ok(batches),
        }
    }
}

fn read_scan(scan: &mut dyn Scan) -> Result<Vec<RecordBatch>, crate::ConnectorError> {
    let schema = scan.schema();
    let mut batches = vec![RecordBatch::new_empty(schema)];
    while let Some(batch) = scan.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

/// The values of one column of what was read.
pub fn column(batches: &[RecordBatch], name: &str) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let (at, field) = schema.column_with_name(name)?;
        let kind = Type::of(field)?;
        values.extend((0..batch.num_rows()).map(|row| value_at(batch.column(at), kind, row)));
    }
    Some(values)
}

fn lists_its_tables(subject: &Subject<'_>) -> Result<(), String> {
    let one = vec![("id", ids(1))];
    let connector = (subject.make)(&[("zebra", one.clone()), ("apple", one.clone()), ("mango", one)]);
    let tables = connector.tables().map_err(|e| e.to_string())?;
    law(tables == ["apple", "mango", "zebra"], || format!("tables are complete and sorted, not {tables:?}"))?;
    for table in &tables {
        let facts = connector.facts(table).map_err(|e| e.to_string())?;
        let names: Vec<&str> = facts.columns.iter().map(|c| c.name.as_str()).collect();
        law(names.contains(&"id"), || format!("the facts of '{table}' name its columns, not {names:?}"))?;
    }
    Ok(())
}

fn names_the_nearest_table(subject: &Subject<'_>) -> Result<(), String> {
    let connector = (subject.make)(&[("users", vec![("id", ids(1))])]);
    for result in [connector.facts("usres").map(drop), connector.scan("usres", &BTreeSet::new()).map(drop)] {
        let Err(error) = result else { return Err("an unknown table is an error".into()) };
        law(error.kind == ErrorKind::NotFound, || {
            format!("an unknown table is not found, not {:?}", error.kind)
        })?;
        law(error.to_string().contains("'users'"), || format!("the nearest name is in '{error}'"))?;
    }
    Ok(())
}

/// Every value that the format holds comes back as it was, alone in its column beside nulls.
fn gives_back_every_value(subject: &Subject<'_>) -> Result<(), String> {
    for value in extremes() {
        let Some(wanted) = (subject.holds)(&value) else { continue };
        let connector =
            (subject.make)(&[("t", vec![("id", ids(2)), ("v", vec![value.clone(), Value::Null])])]);
        let batches = read(connector.as_ref(), "t")?;
        let found = column(&batches, "v").ok_or("the column 'v' is there")?;
        // NaN is no equal of itself, so texts are compared: they tell every bit that matters.
        let (found, wanted) = (format!("{found:?}"), format!("{:?}", vec![wanted, Value::Null]));
        law(found == wanted, || format!("{value:?} comes back as {wanted}, not {found}"))?;
    }
    Ok(())
}

fn keeps_nulls_and_order_of_columns(subject: &Subject<'_>) -> Result<(), String> {
    let text = |s: &str| Value::Text(s.into());
    let table = vec![
        ("id", ids(3)),
        ("a", vec![Value::Null, text("x"), Value::Null]),
        ("b", vec![text("y"), Value::Null, text("z")]),
    ];
    let connector = (subject.make)(&[("t", table.clone())]);
    let batches = read(connector.as_ref(), "t")?;
    for (name, wanted) in &table {
        let found = column(&batches, name).ok_or_else(|| format!("the column '{name}' is there"))?;
        law(found == *wanted, || format!("column '{name}' is {wanted:?}, not {found:?}"))?;
    }
    let schema = batches[0].schema();
    let names: Vec<&str> =
        schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !subject.added.contains(n)).collect();
    law(names.len() == 3, || format!("there are no other columns than those: {names:?}"))?;
    law(batches.iter().all(|b| b.schema() == schema), || "all batches have the scan's schema".into())
}

fn reads_many_rows_twice_alike(subject: &Subject<'_>) -> Result<(), String> {
    let rows = crate::BATCH_ROWS as i64 + 1;
    let connector = (subject.make)(&[("t", vec![("id", ids(rows))])]);
    let first = column(&read(connector.as_ref(), "t")?, "id").ok_or("the column is there")?;
    let second = column(&read(connector.as_ref(), "t")?, "id").ok_or("the column is there")?;
    law(first == second, || "two scans give the same rows".into())?;
    let mut sorted: Vec<String> = first.iter().map(ToString::to_string).collect();
    sorted.sort();
    let wanted: Vec<String> = ids(rows).iter().map(ToString::to_string).collect();
    law(sorted == wanted, || format!("{} rows come back, each once", wanted.len()))
}

fn keeps_odd_names(subject: &Subject<'_>) -> Result<(), String> {
    let names = ["with space", "quo\"te", "select", "größe", "a,b", "It's"];
    let columns = names.iter().map(|n| (*n, ids(1))).chain([("id", ids(1))]).collect();
    let connector = (subject.make)(&[("odd name", columns)]);
    let batches = read(connector.as_ref(), "odd name")?;
    for name in names {
        law(column(&batches, name) == Some(ids(1)), || format!("column '{name}' keeps its name and value"))?;
    }
    Ok(())
}

fn keeps_empty_tables(subject: &Subject<'_>) -> Result<(), String> {
    if !subject.keeps_empty {
        return Ok(());
    }
    let connector = (subject.make)(&[("t", vec![("id", vec![])])]);
    let batches = read(connector.as_ref(), "t")?;
    law(batches.iter().all(|b| b.num_rows() == 0), || "an empty table has no rows".into())?;
    law(column(&batches, "id") == Some(vec![]), || "an empty table keeps its columns".into())
}

/// Values at the ends of every canonical type.
pub fn extremes() -> Vec<Value> {
    use counterfoil_model::decimal::Decimal;
    use counterfoil_model::time::{MAX_INSTANT, MIN_INSTANT};
    let decimals =
        ["0.01", "-99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001"];
    let mut all = vec![
        Value::Bool(true),
        Value::Bool(false),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Int(9_007_199_254_740_993),
        Value::UInt(u64::MAX),
        Value::Float32(f32::MIN_POSITIVE),
        Value::Float(0.1),
        Value::Float(-0.0),
        Value::Float(f64::MAX),
        Value::Float(5e-324),
        Value::Float(f64::INFINITY),
        Value::Float(f64::NAN),
        Value::Text(String::new()),
        Value::Text("null".into()),
        Value::Text("Zoë 你好 🎉 \u{0000}tail".into()),
        Value::Text("line\nbreak, \"quote\"".into()),
        Value::Bytes(vec![]),
        Value::Bytes(vec![0, 255, 128]),
        Value::Timestamp(MIN_INSTANT),
        Value::Timestamp(MAX_INSTANT),
        Value::LocalTimestamp(-1),
        Value::Date(-719_162),
        Value::Date(2_932_896),
        Value::Time(86_399_999_999_999),
        Value::Uuid([7; 16]),
        Value::Json("{\"a\": 1.0}".into()),
        Value::Geo(-90.0, 180.0),
        Value::Ref("users/u1".into()),
        Value::List(vec![Value::Int(1), Value::Text("x".into()), Value::List(vec![]), Value::Null]),
        Value::map(vec![("b".into(), Value::Null), ("a".into(), Value::map(vec![]))]),
    ];
    all.extend(decimals.iter().filter_map(|d| Decimal::parse(d)).map(Value::Decimal));
    all
}
