//! Firestore managed exports: what `gcloud firestore export` and the emulator's export write.
//!
//! A folder with `X.overall_export_metadata`, and below it LevelDB logs (`output-N`) of Datastore entities. One
//! pass at opening checks every checksum and learns which collections, fields and types there are; a scan then
//! reads the documents of one collection again, by their offsets, so memory stays bounded.

mod entity;
mod log;
mod proto;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::column::{build, unify};
use counterfoil_model::names::suggestion;
use counterfoil_model::table::ColumnFacts;
use counterfoil_model::{TableFacts, Type, Value};

use crate::{BATCH_ROWS, Connector, ConnectorError, ErrorKind, Scan};
use entity::Document;
use log::{LogError, Records};

/// Columns that every collection has beside its fields.
const PSEUDO: [&str; 3] = ["__id", "__path", "__parent_id"];

/// An export, catalogued.
pub struct FirestoreExport {
    url: String,
    place: String,
    overall: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
    tables: BTreeMap<String, Collection>,
}

#[derive(Default)]
struct Collection {
    /// File and offset of each document.
    documents: Vec<(usize, usize)>,
    fields: BTreeMap<String, FieldSeen>,
}

#[derive(Default)]
struct FieldSeen {
    present: u64,
    kind: Option<Type>,
    types: BTreeMap<&'static str, u64>,
}

impl FirestoreExport {
    /// Opens an export's folder (or its metadata file) and reads it through once.
    ///
    /// # Errors
    /// For a missing file, or one that is truncated or corrupted, with its name and the byte offset.
    pub fn open(path: &Path, url: &str) -> Result<Self, ConnectorError> {
        let overall = overall_metadata(path)?;
        let base = overall.parent().unwrap_or(path).to_path_buf();
        let mut export = Self {
            url: url.into(),
            place: path.display().to_string(),
            overall: overall.clone(),
            files: Vec::new(),
            tables: BTreeMap::new(),
        };
        for (metadata, count, files) in outputs(&overall, &base)? {
            let before = export.documents();
            let mut last = metadata;
            for output in files {
                let bytes = read(&output)?;
                export.catalogue(export.files.len(), &output, &bytes)?;
                last.clone_from(&output);
                export.files.push((output, bytes));
            }
            // A file that was cut between two records is whole but for what is gone.
            let found = export.documents() - before;
            if count.is_some_and(|count| count != found) {
                let problem =
                    format!("the metadata count {} documents, but {found} are there", count.unwrap_or(0));
                let end = export.files.last().map_or(0, |(_, bytes)| bytes.len());
                return Err(damaged(&last, &LogError { offset: end, problem }));
            }
        }
        Ok(export)
    }

    fn documents(&self) -> u64 {
        self.tables.values().map(|c| c.documents.len() as u64).sum()
    }

    fn catalogue(&mut self, file: usize, path: &Path, bytes: &[u8]) -> Result<(), ConnectorError> {
        let mut records = Records::starting_at(bytes, 0);
        while let Some((offset, record)) = records.next().map_err(|e| damaged(path, &e))? {
            let document = entity::document(&record).map_err(|problem| {
                damaged(path, &LogError { offset, problem: format!("the record holds {problem}") })
            })?;
            let collection = self.tables.entry(document.table()).or_default();
            collection.documents.push((file, offset));
            for (name, value) in document.fields {
                if PSEUDO.contains(&name.as_str()) {
                    let problem =
                        format!("a document has a field '{name}', which is a name of counterfoil's own");
                    return Err(damaged(path, &LogError { offset, problem }));
                }
                let seen = collection.fields.entry(name).or_default();
                seen.present += 1;
                if !value.is_null() {
                    let kind = value.column_type();
                    seen.kind = Some(seen.kind.map_or(kind, |k| unify(k, kind)));
                    *seen.types.entry(value.type_name()).or_default() += 1;
                }
            }
        }
        Ok(())
    }

    fn collection(&self, table: &str) -> Result<&Collection, ConnectorError> {
        self.tables.get(table).ok_or_else(|| {
            let hint = suggestion(table, self.tables.keys().map(String::as_str));
            ConnectorError::new(
                ErrorKind::NotFound,
                &self.place,
                format!("there is no collection '{table}'{hint}"),
            )
        })
    }
}

fn damaged(path: &Path, error: &LogError) -> ConnectorError {
    let problem = format!("byte {}: {}", error.offset, error.problem);
    ConnectorError::new(ErrorKind::Corrupt, path.display().to_string(), problem)
        .help("export again, or copy the files again: nothing of a damaged export is compared")
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectorError> {
    fs::read(path).map_err(|e| {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::NoPermission,
            _ => ErrorKind::Storage,
        };
        ConnectorError::new(kind, path.display().to_string(), e.to_string())
    })
}

fn overall_metadata(path: &Path) -> Result<PathBuf, ConnectorError> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let entries = path.read_dir().map_err(|e| {
        ConnectorError::new(ErrorKind::NotFound, path.display().to_string(), e.to_string())
            .help("name the folder that holds the .overall_export_metadata file")
    })?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "overall_export_metadata"))
        .collect();
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(ConnectorError::new(
            ErrorKind::NotFound,
            path.display().to_string(),
            "there is no .overall_export_metadata file in this folder",
        )),
        _ => Err(ConnectorError::new(
            ErrorKind::Corrupt,
            path.display().to_string(),
            "there are several .overall_export_metadata files in this folder; name one",
        )),
    }
}

/// A metadata file, how many documents its outputs hold, and the outputs in order.
type Outputs = (PathBuf, Option<u64>, Vec<PathBuf>);

/// The output files that the metadata name.
fn outputs(overall: &Path, base: &Path) -> Result<Vec<Outputs>, ConnectorError> {
    let bytes = read(overall)?;
    let mut records = Records::starting_at(&bytes, 0);
    let mut all: Vec<Outputs> = Vec::new();
    while let Some((offset, record)) = records.next().map_err(|e| damaged(overall, &e))? {
        // The first record is a version, and no message.
        for (name, count) in kinds(&record).unwrap_or_default() {
            let metadata = base.join(name.replace('\\', "/"));
            let folder = metadata.parent().unwrap_or(base).to_path_buf();
            let inner = read(&metadata)?;
            let names = texts(&inner, &[2, 2]);
            let names = names.map_err(|p| damaged(&metadata, &LogError { offset: 0, problem: p.into() }))?;
            let files: Vec<PathBuf> = names.iter().map(|f| folder.join(f.replace('\\', "/"))).collect();
            if all.iter().any(|(_, _, earlier)| earlier.iter().any(|f| files.contains(f))) {
                return Err(damaged(
                    overall,
                    &LogError { offset, problem: "an output file is named twice".into() },
                ));
            }
            all.push((metadata, count, files));
        }
    }
    if all.iter().all(|(_, _, files)| files.is_empty()) {
        return Err(ConnectorError::new(
            ErrorKind::Corrupt,
            overall.display().to_string(),
            "the export names no output file",
        ));
    }
    Ok(all)
}

/// The metadata files that an overall metadata's record names, with their number of documents.
fn kinds(record: &[u8]) -> Result<Vec<(String, Option<u64>)>, &'static str> {
    let mut found = Vec::new();
    let mut fields = proto::Fields::new(record);
    while let Some((number, field)) = fields.next()? {
        let (1, proto::Field::Bytes(inner)) = (number, field) else { continue };
        let (mut name, mut count) = (None, None);
        let mut parts = proto::Fields::new(inner);
        while let Some((number, field)) = parts.next()? {
            match (number, field) {
                (2, proto::Field::Bytes(text)) => name = std::str::from_utf8(text).ok().map(str::to_owned),
                (3, proto::Field::Varint(n)) => count = Some(n),
                _ => {}
            }
        }
        found.extend(name.map(|n| (n, count)));
    }
    Ok(found)
}

/// The texts at a path of field numbers. The record before the paths in the overall metadata is no message.
fn texts(bytes: &[u8], path: &[u64]) -> Result<Vec<String>, &'static str> {
    let mut found = Vec::new();
    let mut fields = proto::Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        let proto::Field::Bytes(inner) = field else { continue };
        match path {
            [last] if number == *last => {
                found.push(
                    std::str::from_utf8(inner).map_err(|_| "a file name that is not UTF-8")?.to_owned(),
                );
            }
            [first, rest @ ..] if number == *first && !rest.is_empty() => found.extend(texts(inner, rest)?),
            _ => {}
        }
    }
    Ok(found)
}

impl Connector for FirestoreExport {
    fn url(&self) -> &str {
        &self.url
    }

    fn consistency(&self) -> String {
        "an export's files as they are; a managed export is no exact point in time".into()
    }

    fn tables(&self) -> Result<Vec<String>, ConnectorError> {
        Ok(self.tables.keys().cloned().collect())
    }

    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError> {
        let collection = self.collection(table)?;
        let total = collection.documents.len() as u64;
        let pseudo = PSEUDO.iter().map(|n| ColumnFacts { name: (*n).into(), ..ColumnFacts::default() });
        let fields = collection.fields.iter().map(|(name, seen)| ColumnFacts {
            name: name.clone(),
            missing: total - seen.present,
            mixed: if seen.types.len() > 1 {
                seen.types.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect()
            } else {
                Vec::new()
            },
            ..ColumnFacts::default()
        });
        Ok(TableFacts {
            kind: "collection".into(),
            columns: pseudo.chain(fields).collect(),
            primary_key: vec!["__path".into()],
            ..TableFacts::default()
        })
    }

    fn source_files(&self) -> Option<Vec<PathBuf>> {
        Some(std::iter::once(&self.overall).chain(self.files.iter().map(|(path, _)| path)).cloned().collect())
    }

    fn scan(&self, table: &str, mixed: &BTreeSet<String>) -> Result<Box<dyn Scan + '_>, ConnectorError> {
        let collection = self.collection(table)?;
        let mut columns: Vec<(String, Type)> = PSEUDO.iter().map(|n| ((*n).to_owned(), Type::Text)).collect();
        for (name, seen) in &collection.fields {
            let kind = if mixed.contains(name) { Type::Variant } else { seen.kind.unwrap_or(Type::Null) };
            columns.push((name.clone(), kind));
        }
        let schema = Arc::new(Schema::new(columns.iter().map(|(n, k)| k.field(n)).collect::<Vec<_>>()));
        Ok(Box::new(ExportScan { export: self, collection, columns, schema, next: 0 }))
    }
}

struct ExportScan<'a> {
    export: &'a FirestoreExport,
    collection: &'a Collection,
    columns: Vec<(String, Type)>,
    schema: SchemaRef,
    next: usize,
}

impl ExportScan<'_> {
    fn document(&self, file: usize, offset: usize) -> Result<Document, ConnectorError> {
        let (path, bytes) = &self.export.files[file];
        let record = Records::starting_at(bytes, offset).next().map_err(|e| damaged(path, &e))?;
        let gone = |problem: String| damaged(path, &LogError { offset, problem });
        let (_, record) = record.ok_or_else(|| gone("the record is gone".into()))?;
        entity::document(&record).map_err(gone)
    }
}

impl Scan for ExportScan<'_> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        let end = (self.next + BATCH_ROWS).min(self.collection.documents.len());
        if self.next >= end {
            return Ok(None);
        }
        let mut values: Vec<Vec<Value>> = vec![Vec::with_capacity(end - self.next); self.columns.len()];
        for (file, offset) in &self.collection.documents[self.next..end] {
            let document = self.document(*file, *offset)?;
            let id = document.path.last().map(|(_, id)| id.clone()).unwrap_or_default();
            let parent = document.path.len().checked_sub(2).map(|at| document.path[at].1.clone());
            let path = document.full_path();
            let mut fields: BTreeMap<String, Value> = document.fields.into_iter().collect();
            for ((name, _), column) in self.columns.iter().zip(&mut values) {
                column.push(match name.as_str() {
                    "__id" => Value::Text(id.clone()),
                    "__path" => Value::Text(path.clone()),
                    "__parent_id" => parent.clone().map_or(Value::Null, Value::Text),
                    field => fields.remove(field).unwrap_or(Value::Null),
                });
            }
        }
        self.next = end;
        let arrays = self.columns.iter().zip(&values).map(|((_, kind), v)| build(*kind, v)).collect();
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map(Some)
            .map_err(|e| ConnectorError::new(ErrorKind::Storage, &self.export.place, e.to_string()))
    }
}
