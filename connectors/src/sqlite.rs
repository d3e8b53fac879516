//! SQLite files (rusqlite): opened read-only, one read transaction for everything, values as they are stored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arrow::array::{
    ArrayRef, BinaryViewBuilder, Float64Builder, Int64Builder, NullArray, RecordBatch, StringViewBuilder,
};
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::names::suggestion;
use counterfoil_model::table::{ColumnFacts, ForeignKey};
use counterfoil_model::{TableFacts, Type, Value, encoding};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::{BATCH_ROWS, Connector, ConnectorError, ErrorKind, Scan};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A SQLite database. All reads go through one connection, in one transaction.
pub struct Sqlite {
    url: String,
    place: String,
    connection: Arc<Mutex<Connection>>,
    tables: Vec<String>,
    /// How large its files were, and when they were written, before the transaction began.
    before: [Option<(u64, SystemTime)>; 2],
}

impl Sqlite {
    /// Opens a database file read-only and begins its read transaction.
    ///
    /// # Errors
    /// For a missing file, one that is no database, one that may not be read, or one that a writer locks.
    pub fn open(path: &Path, url: &str) -> Result<Self, ConnectorError> {
        let place = path.display().to_string();
        check_file(path, &place)?;
        let failed = |e: rusqlite::Error| translated(&place, &e);
        let before = files(&place).map(|path| written(&path));
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // The transaction is begun by the first read; it sees one state of the whole database until it ends.
        connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;").map_err(failed)?;
        let tables = list(&connection).map_err(failed)?;
        Ok(Self { url: url.into(), place, connection: Arc::new(Mutex::new(connection)), tables, before })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    fn known(&self, table: &str) -> Result<(), ConnectorError> {
        if self.tables.iter().any(|t| t == table) {
            return Ok(());
        }
        let hint = suggestion(table, self.tables.iter().map(String::as_str));
        Err(ConnectorError::new(
            ErrorKind::NotFound,
            &self.place,
            format!("there is no table '{table}'{hint}"),
        ))
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The database and its write-ahead log.
fn files(place: &str) -> [PathBuf; 2] {
    [place.into(), format!("{place}-wal").into()]
}

/// None where there is no file, or nothing in it: readers leave an empty log behind.
fn written(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = path.metadata().ok().filter(|m| m.len() > 0)?;
    Some((metadata.len(), metadata.modified().ok()?))
}

fn check_file(path: &Path, place: &str) -> Result<(), ConnectorError> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Err(ConnectorError::new(ErrorKind::Corrupt, place, "this is a folder, not a database file"))
        }
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(ConnectorError::new(ErrorKind::NotFound, place, "there is no such file")
                .help("is the path right? Relative paths start at the plan's folder"))
        }
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(ConnectorError::new(ErrorKind::NoPermission, place, e.to_string()))
        }
        Err(e) => Err(ConnectorError::new(ErrorKind::Storage, place, e.to_string())),
    }
}

fn translated(place: &str, error: &rusqlite::Error) -> ConnectorError {
    use rusqlite::ErrorCode;
    let (kind, problem, help) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (ErrorKind::Corrupt, "this file is not a database".to_owned(), None),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Locked,
            format!("the database is locked by a writer ({error})"),
            Some("run again when the writer has finished, or let it use WAL mode"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (ErrorKind::Corrupt, error.to_string(), None),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => (
            ErrorKind::NoPermission,
            error.to_string(),
            Some("is the file, and its folder where it is in WAL mode, readable?"),
        ),
        _ => (ErrorKind::Storage, error.to_string(), None),
    };
    let error = ConnectorError::new(kind, place, problem);
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

fn list(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') \
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut names: Vec<String> =
        connection.prepare(sql)?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    names.sort();
    Ok(names)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn read_facts(connection: &Connection, table: &str) -> rusqlite::Result<TableFacts> {
    let kind: String = connection.query_row(
        "SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
        [table],
        |r| r.get(0),
    )?;
    let mut facts = TableFacts { kind, ..TableFacts::default() };
    let mut key: Vec<(i64, String)> = Vec::new();
    let mut statement = connection
        .prepare("SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)")?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let hidden: i64 = row.get(5)?;
        if hidden == 1 {
            continue;
        }
        let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let position: i64 = row.get(4)?;
        if position > 0 {
            key.push((position, name.clone()));
        }
        facts.columns.push(ColumnFacts {
            name,
            declared: Some(declared).filter(|d| !d.is_empty()),
            not_null: row.get::<_, i64>(2)? != 0,
            default: row.get(3)?,
            generated: hidden >= 2,
            ..ColumnFacts::default()
        });
    }
    key.sort();
    facts.primary_key = key.into_iter().map(|(_, name)| name).collect();
    facts.unique = unique_sets(connection, table)?;
    facts.foreign_keys = foreign_keys(connection, table)?;
    Ok(facts)
}

fn unique_sets(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let sql = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND origin <> 'pk' AND partial = 0 ORDER BY name";
    let names: Vec<String> =
        connection.prepare(sql)?.query_map([table], |r| r.get(0))?.collect::<Result<_, _>>()?;
    let mut sets = Vec::new();
    for index in names {
        let sql = "SELECT name FROM pragma_index_info(?1) ORDER BY seqno";
        let columns: Vec<Option<String>> =
            connection.prepare(sql)?.query_map([index], |r| r.get(0))?.collect::<Result<_, _>>()?;
        // An index over an expression has no column name there.
        if let Some(columns) = columns.into_iter().collect::<Option<Vec<String>>>() {
            sets.push(columns);
        }
    }
    Ok(sets)
}

fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql = "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey, bool)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, parent, from, to): (i64, String, String, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if keys.last().is_none_or(|(last, ..)| *last != id) {
            keys.push((id, ForeignKey { table: parent, ..ForeignKey::default() }, to.is_none()));
        }
        if let Some((_, key, _)) = keys.last_mut() {
            key.columns.push(from);
            key.references.extend(to);
        }
    }
    let mut all = Vec::new();
    for (_, mut key, implicit) in keys {
        if implicit {
            let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
            key.references =
                connection.prepare(sql)?.query_map([&key.table], |r| r.get(0))?.collect::<Result<_, _>>()?;
        }
        all.push(key);
    }
    Ok(all)
}

impl Connector for Sqlite {
    fn url(&self) -> &str {
        &self.url
    }

    fn consistency(&self) -> String {
        "one read transaction over all tables".into()
    }

    fn tables(&self) -> Result<Vec<String>, ConnectorError> {
        Ok(self.tables.clone())
    }

    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError> {
        self.known(table)?;
        read_facts(&self.connection(), table)
            .map_err(|e| translated(&format!("{}, table '{table}'", self.place), &e))
    }

    fn holds_still(&self) -> bool {
        true
    }

    fn source_files(&self) -> Option<Vec<PathBuf>> {
        // What was committed since is in the files, and not in the transaction.
        let files = files(&self.place);
        (files.each_ref().map(|path| written(path)) == self.before).then(|| files.to_vec())
    }

    fn scan(&self, table: &str, mixed: &BTreeSet<String>) -> Result<Box<dyn Scan + '_>, ConnectorError> {
        let facts = self.facts(table)?;
        let place = format!("{}, table '{table}'", self.place);
        let failed = |e: rusqlite::Error| translated(&place, &e);
        let connection = self.connection();
        let mut kinds: Vec<Type> = facts
            .columns
            .iter()
            .map(|c| column_type(&connection, table, c))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        if !mixed.is_empty() {
            // One mixed column was met; now all are found at once, instead of reading anew for each.
            let strays = strays(&connection, table, &facts.columns, &kinds).map_err(failed)?;
            for ((kind, stray), column) in kinds.iter_mut().zip(strays).zip(&facts.columns) {
                if stray || mixed.contains(&column.name) {
                    *kind = Type::Variant;
                }
            }
        }
        drop(connection);
        let fields: Vec<_> = facts.columns.iter().zip(&kinds).map(|(c, k)| k.field(&c.name)).collect();
        let columns: Vec<String> = facts.columns.iter().map(|c| quoted(&c.name)).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), quoted(table));
        let schema = Arc::new(Schema::new(fields));
        let reader = Reader { connection: self.connection.clone(), place, sql, schema, kinds };
        Ok(Box::new(SqliteScan::start(reader)?))
    }

    fn concurrent(&self) -> bool {
        false
    }
}

/// For each column, whether it holds a value that its type doesn't.
fn strays(
    connection: &Connection,
    table: &str,
    columns: &[ColumnFacts],
    kinds: &[Type],
) -> rusqlite::Result<Vec<bool>> {
    let storage = |kind: &Type| match kind {
        Type::Int => "integer",
        Type::Float => "real",
        Type::Text => "text",
        Type::Bytes => "blob",
        _ => "null",
    };
    let stray = |(c, kind): (&ColumnFacts, &Type)| {
        format!("max(typeof({}) NOT IN ('null', '{}'))", quoted(&c.name), storage(kind))
    };
    let wanted: Vec<String> = columns.iter().zip(kinds).map(stray).collect();
    let sql = format!("SELECT {} FROM {}", wanted.join(", "), quoted(table));
    connection.query_row(&sql, [], |row| {
        (0..wanted.len()).map(|at| Ok(row.get::<_, Option<bool>>(at)?.unwrap_or(false))).collect()
    })
}

/// The type that a column's values are expected to have: by its affinity, and for columns without a clear one by
/// the first value there is.
fn column_type(connection: &Connection, table: &str, column: &ColumnFacts) -> rusqlite::Result<Type> {
    // The rules of https://sqlite.org/datatype3.html, section 3.1, in their order.
    let declared = column.declared.as_deref().unwrap_or("").to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|p| declared.contains(p));
    if has(&["INT"]) {
        return Ok(Type::Int);
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        return Ok(Type::Text);
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        return Ok(Type::Float);
    }
    let name = quoted(&column.name);
    let sql = format!("SELECT typeof({name}) FROM {} WHERE {name} IS NOT NULL LIMIT 1", quoted(table));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let found: Option<String> = rows.next()?.map(|r| r.get(0)).transpose()?;
    Ok(match found.as_deref() {
        Some("integer") => Type::Int,
        Some("real") => Type::Float,
        Some("text") => Type::Text,
        Some("blob") => Type::Bytes,
        _ => Type::Null,
    })
}

/// Batches that wait to be taken; then the reader waits.
const WAITING: usize = 4;

/// A table that is being read by a thread of its own, so that reading and what is done with the rows overlap.
struct SqliteScan {
    schema: SchemaRef,
    place: String,
    /// Batches, then `None`.
    batches: Receiver<Result<Option<RecordBatch>, ConnectorError>>,
    done: bool,
}

impl SqliteScan {
    fn start(reader: Reader) -> Result<Self, ConnectorError> {
        let (sender, batches) = mpsc::sync_channel(WAITING);
        let (schema, place) = (reader.schema.clone(), reader.place.clone());
        let read = move || {
            let end = reader.read(&sender);
            // Where nobody listens any more, nobody misses the end.
            let _ = sender.send(end.map(|()| None));
        };
        let started = std::thread::Builder::new().name("sqlite".into()).spawn(read);
        started.map_err(|e| ConnectorError::new(ErrorKind::Storage, &place, e.to_string()))?;
        Ok(Self { schema, place, batches, done: false })
    }
}

impl Scan for SqliteScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        if self.done {
            return Ok(None);
        }
        let next = self.batches.recv().unwrap_or_else(|_| {
            Err(ConnectorError::new(ErrorKind::Storage, &self.place, "reading stopped before the end"))
        });
        self.done = !matches!(next, Ok(Some(_)));
        next
    }
}

/// What a table is read with.
struct Reader {
    connection: Arc<Mutex<Connection>>,
    place: String,
    sql: String,
    schema: SchemaRef,
    kinds: Vec<Type>,
}

impl Reader {
    /// Sends all rows; ends early where nobody takes them.
    fn read(
        &self,
        batches: &SyncSender<Result<Option<RecordBatch>, ConnectorError>>,
    ) -> Result<(), ConnectorError> {
        let connection = lock(&self.connection);
        let failed = |e: rusqlite::Error| translated(&self.place, &e);
        let mut statement = connection.prepare(&self.sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let (mut builders, mut count) = (self.builders(), 0);
        while let Some(row) = rows.next().map_err(failed)? {
            for (at, builder) in builders.iter_mut().enumerate() {
                if !builder.push(row.get_ref(at).map_err(failed)?) {
                    let column = self.schema.field(at).name().clone();
                    let problem = format!("column '{column}' holds values of mixed types");
                    return Err(ConnectorError::new(ErrorKind::Mixed(column), &self.place, problem));
                }
            }
            count += 1;
            if count == BATCH_ROWS {
                let batch = self.batch(std::mem::replace(&mut builders, self.builders()), count)?;
                if batches.send(Ok(Some(batch))).is_err() {
                    return Ok(());
                }
                count = 0;
            }
        }
        if count > 0 {
            // An error here means that nobody listens any more.
            let _ = batches.send(Ok(Some(self.batch(builders, count)?)));
        }
        Ok(())
    }

    fn builders(&self) -> Vec<Column> {
        self.kinds.iter().map(|k| Column::new(*k)).collect()
    }

    fn batch(&self, builders: Vec<Column>, rows: usize) -> Result<RecordBatch, ConnectorError> {
        let columns = builders.into_iter().map(|b| b.finish(rows)).collect();
        RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|e| ConnectorError::new(ErrorKind::Storage, &self.place, e.to_string()))
    }
}

enum Column {
    Null,
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
    Variant(BinaryViewBuilder, Vec<u8>),
}

impl Column {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Int => Self::Int(Int64Builder::with_capacity(BATCH_ROWS)),
            Type::Float => Self::Float(Float64Builder::with_capacity(BATCH_ROWS)),
            Type::Text => Self::Text(StringViewBuilder::with_capacity(BATCH_ROWS)),
            Type::Bytes => Self::Bytes(BinaryViewBuilder::with_capacity(BATCH_ROWS)),
            Type::Variant => Self::Variant(BinaryViewBuilder::with_capacity(BATCH_ROWS), Vec::new()),
            _ => Self::Null,
        }
    }

    /// Appends a value; `false` where this column's type doesn't hold it.
    fn push(&mut self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Null, ValueRef::Null) => {}
            (Self::Int(b), ValueRef::Integer(i)) => b.append_value(i),
            (Self::Int(b), ValueRef::Null) => b.append_null(),
            (Self::Float(b), ValueRef::Real(x)) => b.append_value(x),
            (Self::Float(b), ValueRef::Null) => b.append_null(),
            (Self::Text(b), ValueRef::Text(t)) => match std::str::from_utf8(t) {
                Ok(text) => b.append_value(text),
                Err(_) => return false,
            },
            (Self::Text(b), ValueRef::Null) => b.append_null(),
            (Self::Bytes(b), ValueRef::Blob(x)) => b.append_value(x),
            (Self::Bytes(b) | Self::Variant(b, _), ValueRef::Null) => b.append_null(),
            (Self::Variant(b, buffer), value) => {
                buffer.clear();
                encoding::encode(&canonical(value), buffer);
                b.append_value(buffer.as_slice());
            }
            _ => return false,
        }
        true
    }

    fn finish(self, rows: usize) -> ArrayRef {
        match self {
            Self::Null => Arc::new(NullArray::new(rows)),
            Self::Int(mut b) => Arc::new(b.finish()),
            Self::Float(mut b) => Arc::new(b.finish()),
            Self::Text(mut b) => Arc::new(b.finish()),
            Self::Bytes(mut b) | Self::Variant(mut b, _) => Arc::new(b.finish()),
        }
    }
}

fn canonical(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Int(i),
        ValueRef::Real(x) => Value::Float(x),
        // Text that is not UTF-8 is kept as the bytes it is.
        ValueRef::Text(t) => {
            std::str::from_utf8(t).map_or_else(|_| Value::Bytes(t.to_vec()), |s| Value::Text(s.to_owned()))
        }
        ValueRef::Blob(b) => Value::Bytes(b.to_vec()),
    }
}
