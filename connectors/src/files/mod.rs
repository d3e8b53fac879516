//! Files as tables: Parquet, Arrow IPC, CSV, JSON Lines. A file, or a folder of files of one kind, is a connection;
//! a table is named after its file. A subfolder of files is one table, its files in the order of their names.

mod columnar;
mod csv;
mod jsonl;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use counterfoil_model::names::suggestion;
use counterfoil_model::table::ColumnFacts;
use counterfoil_model::{Table, TableFacts};

use crate::{Connector, ConnectorError, ErrorKind, Identity, Scan};

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Parquet,
    Arrow,
    Csv,
    JsonLines,
}

impl Format {
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Parquet => &["parquet"],
            Self::Arrow => &["arrow", "ipc", "feather"],
            Self::Csv => &["csv"],
            Self::JsonLines => &["jsonl", "ndjson"],
        }
    }
}

/// Files of one kind.
#[derive(Debug)]
pub struct Files {
    url: String,
    place: String,
    format: Format,
    tables: BTreeMap<String, Vec<PathBuf>>,
    /// What the first look at a table of JSON Lines told.
    profiles: Mutex<BTreeMap<String, Arc<jsonl::Profile>>>,
}

impl Files {
    /// Opens a file or a folder of files.
    ///
    /// # Errors
    /// For a missing path, or a folder without a file of this kind.
    pub fn open(scheme: &str, path: &Path, url: &str) -> Result<Self, ConnectorError> {
        let place = path.display().to_string();
        let format = match scheme {
            "parquet" => Format::Parquet,
            "arrow" => Format::Arrow,
            "csv" => Format::Csv,
            _ => Format::JsonLines,
        };
        let metadata = path.metadata().map_err(|e| io(path, &e))?;
        let mut tables = BTreeMap::new();
        if metadata.is_file() {
            tables.insert(stem(path), vec![path.to_path_buf()]);
        } else {
            for entry in sorted(path)? {
                if entry.is_dir() {
                    let parts: Vec<PathBuf> =
                        sorted(&entry)?.into_iter().filter(|p| fits(p, format)).collect();
                    if !parts.is_empty() {
                        tables.insert(stem(&entry), parts);
                    }
                } else if fits(&entry, format) && tables.insert(stem(&entry), vec![entry.clone()]).is_some() {
                    let problem = format!("two files are named '{}'", stem(&entry));
                    return Err(ConnectorError::new(ErrorKind::Corrupt, place, problem));
                }
            }
        }
        if tables.is_empty() {
            let problem = format!("there is no .{} file in this folder", format.extensions().join(" or ."));
            return Err(ConnectorError::new(ErrorKind::NotFound, place, problem));
        }
        Ok(Self { url: url.into(), place, format, tables, profiles: Mutex::default() })
    }

    fn parts(&self, table: &str) -> Result<&[PathBuf], ConnectorError> {
        self.tables.get(table).map(Vec::as_slice).ok_or_else(|| {
            let hint = suggestion(table, self.tables.keys().map(String::as_str));
            ConnectorError::new(
                ErrorKind::NotFound,
                &self.place,
                format!("there is no table '{table}'{hint}"),
            )
        })
    }

    fn profile(&self, table: &str) -> Result<Arc<jsonl::Profile>, ConnectorError> {
        let known = |profiles: &Self| {
            profiles.profiles.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned()
        };
        if let Some(profile) = known(self) {
            return Ok(profile);
        }
        let profile = Arc::new(jsonl::Profile::of(self.parts(table)?)?);
        self.profiles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(table.to_owned(), profile.clone());
        Ok(profile)
    }

    fn schema(&self, table: &str) -> Result<SchemaRef, ConnectorError> {
        let parts = self.parts(table)?;
        match self.format {
            Format::Parquet => columnar::parquet_schema(parts),
            Format::Arrow => columnar::arrow_schema(parts),
            Format::Csv => csv::schema(parts),
            Format::JsonLines => Ok(self.profile(table)?.schema()),
        }
    }
}

/// The BLAKE3 of a file. It is read, not mapped: a mapping counts as memory of this process, as large as the file.
fn digest_of(path: &Path) -> std::io::Result<blake3::Hash> {
    const AT_ONCE: u64 = 16 << 20;
    let mut file = std::fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new();
    while file.by_ref().take(AT_ONCE).read_to_end(&mut bytes)? > 0 {
        hasher.update_rayon(&bytes);
        bytes.clear();
    }
    Ok(hasher.finalize())
}

impl Connector for Files {
    fn url(&self) -> &str {
        &self.url
    }

    fn consistency(&self) -> String {
        "files as they are".into()
    }

    fn tables(&self) -> Result<Vec<String>, ConnectorError> {
        Ok(self.tables.keys().cloned().collect())
    }

    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError> {
        let profile = match self.format {
            Format::JsonLines => Some(self.profile(table)?),
            _ => None,
        };
        let schema = self.schema(table)?;
        let columns = schema.fields().iter().map(|f| ColumnFacts {
            name: f.name().clone(),
            missing: profile.as_ref().map_or(0, |p| p.missing(f.name())),
            ..ColumnFacts::default()
        });
        Ok(TableFacts { kind: "file".into(), columns: columns.collect(), ..TableFacts::default() })
    }

    fn in_place(&self, table: &str) -> Result<Option<Arc<dyn Table>>, ConnectorError> {
        let parts = self.parts(table)?;
        Ok(match self.format {
            Format::Parquet => {
                let table = columnar::ParquetTable::open(table, parts)?;
                table.has_small_groups().then(|| Arc::new(table) as Arc<dyn Table>)
            }
            _ => None,
        })
    }

    fn identity(&self, tables: &[&str]) -> Result<Identity, ConnectorError> {
        let mut digests = Vec::new();
        for path in tables.iter().filter_map(|t| self.tables.get(*t)).flatten() {
            let digest = digest_of(path).map_err(|e| io(path, &e))?;
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            digests.push((name, digest.to_hex().to_string()));
        }
        Ok(Identity { digests, ..Identity::default() })
    }

    fn source_files(&self) -> Option<Vec<PathBuf>> {
        Some(self.tables.values().flatten().cloned().collect())
    }

    fn scan(&self, table: &str, _mixed: &BTreeSet<String>) -> Result<Box<dyn Scan + '_>, ConnectorError> {
        let parts = self.parts(table)?;
        Ok(match self.format {
            Format::Parquet => Box::new(columnar::ColumnarScan::parquet(parts)?),
            Format::Arrow => Box::new(columnar::ColumnarScan::arrow(parts)?),
            Format::Csv => Box::new(csv::CsvScan::new(parts)?),
            Format::JsonLines => Box::new(jsonl::JsonScan::new(parts, self.profile(table)?)),
        })
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, ConnectorError> {
    let entries = folder.read_dir().map_err(|e| io(folder, &e))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>().map_err(|e| io(folder, &e))?;
    paths.sort();
    Ok(paths)
}

fn fits(path: &Path, format: Format) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| format.extensions().contains(&e))
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

fn io(path: &Path, error: &std::io::Error) -> ConnectorError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::NoPermission,
        _ => ErrorKind::Storage,
    };
    ConnectorError::new(kind, path.display().to_string(), error.to_string())
}

fn corrupt(path: &Path, problem: impl std::fmt::Display) -> ConnectorError {
    ConnectorError::new(ErrorKind::Corrupt, path.display().to_string(), problem.to_string())
}
