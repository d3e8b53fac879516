//! Reading a snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};
use counterfoil_model::table::KeyFacts;
use counterfoil_model::{Table, TableError, TableFacts, Type};
use rayon::prelude::*;

use crate::SnapshotError;
use crate::digest::column_digest;
use crate::manifest::{FORMAT, Manifest, TableManifest};
use crate::storage::Chunks;
use crate::writer::{hex, unhex};

/// An open snapshot.
#[derive(Debug)]
pub struct Snapshot {
    folder: PathBuf,
    manifest: Manifest,
}

impl Snapshot {
    /// Opens a snapshot and checks that its manifest is whole: each root must follow from its digests.
    ///
    /// # Errors
    /// Where the folder isn't a snapshot, is of another version, or its manifest was altered.
    pub fn open(folder: &Path) -> Result<Self, SnapshotError> {
        let path = folder.join("manifest.json");
        let text = fs::read_to_string(&path).map_err(|source| SnapshotError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let corrupt = |problem: String| SnapshotError::Corrupt { path: path.clone(), problem };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|e| corrupt(format!("not a snapshot's manifest: {e}")))?;
        if manifest.format != FORMAT {
            return Err(corrupt(format!("format '{}' where this version reads '{FORMAT}'", manifest.format)));
        }
        for table in &manifest.tables {
            let whole = table.chunks.iter().all(|c| c.digests.len() == table.columns.len());
            if !whole || table.chunks.iter().map(|c| c.rows).sum::<u64>() != table.rows {
                return Err(corrupt(format!("the chunks of table '{}' don't add up", table.name)));
            }
            if hex(&table.computed_root()) != table.root {
                return Err(corrupt(format!(
                    "the root of table '{}' doesn't follow from its digests",
                    table.name
                )));
            }
        }
        if hex(&manifest.computed_root()) != manifest.root {
            return Err(corrupt("the root doesn't follow from the tables".into()));
        }
        Ok(Self { folder: folder.into(), manifest })
    }

    /// What the snapshot holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether every table's file has the bytes that were written.
    pub fn files_are_whole(&self) -> bool {
        self.manifest.tables.iter().all(|table| table.file_is_whole(&self.folder))
    }

    /// Opens one table.
    ///
    /// # Errors
    /// Where its file is missing, damaged, or not what the manifest says.
    pub fn table(&self, name: &str) -> Result<Option<SnapshotTable>, SnapshotError> {
        let Some(table) = self.manifest.tables.iter().find(|t| t.name == name) else { return Ok(None) };
        SnapshotTable::open(&self.folder, table.clone()).map(Some)
    }
}

/// One table of a snapshot; chunks are read when asked for.
#[derive(Debug)]
pub struct SnapshotTable {
    folder: PathBuf,
    path: PathBuf,
    manifest: TableManifest,
    stored: Chunks,
    digests: Vec<Vec<[u8; 32]>>,
    verifying: bool,
    /// Whether the file's bytes are those that were written, once that was looked at.
    whole: OnceLock<bool>,
}

impl SnapshotTable {
    /// Opens a table's file in a snapshot's folder.
    ///
    /// # Errors
    /// Where the file is missing, damaged, or not what the manifest says.
    pub fn open(folder: &Path, manifest: TableManifest) -> Result<Self, SnapshotError> {
        let path = folder.join(&manifest.file);
        let corrupt = |problem: String| SnapshotError::Corrupt { path: path.clone(), problem };
        let stored = Chunks::open(&path)?;
        if stored.len() != manifest.chunks.len() {
            return Err(corrupt("it doesn't have as many chunks as the manifest lists".into()));
        }
        let schema = stored.schema();
        let column = |f: &FieldRef| {
            let kind = Type::of(f).filter(|kind| **f == kind.field(f.name()))?;
            Some((f.name().clone(), kind.to_string()))
        };
        let columns: Option<Vec<(String, String)>> = schema.fields().iter().map(column).collect();
        if columns.as_ref() != Some(&manifest.columns) {
            return Err(corrupt("its columns are not those that the manifest lists".into()));
        }
        let digests = manifest.chunks.iter().map(|c| c.digests.iter().map(|d| unhex(d)).collect()).collect();
        Ok(Self {
            folder: folder.into(),
            path,
            manifest,
            stored,
            digests,
            verifying: false,
            whole: OnceLock::new(),
        })
    }

    /// What the storage declared about the table.
    pub fn facts(&self) -> &TableFacts {
        &self.manifest.facts
    }

    /// What the manifest says about the table.
    pub fn manifest(&self) -> &TableManifest {
        &self.manifest
    }

    /// The snapshot's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The columns by which the table is ordered; empty: by the whole row.
    pub fn key(&self) -> &[String] {
        &self.manifest.key
    }

    /// The table such that whatever is read from it is held against its digest: for a snapshot that somebody kept, and
    /// that may have been altered since.
    #[must_use]
    pub fn verifying(self) -> Self {
        Self { verifying: true, ..self }
    }

    /// Whether all values still have their digests.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`] naming the first chunk and column that don't.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        let corrupt = |problem| SnapshotError::Corrupt { path: self.path.clone(), problem };
        (0..self.chunks()).try_for_each(|chunk| {
            let batch = self.read_guarded(chunk, None).map_err(corrupt)?;
            self.hold_against_digests(chunk, None, &batch).map_err(corrupt)
        })
    }

    fn hold_against_digests(
        &self,
        chunk: usize,
        columns: Option<&[usize]>,
        batch: &RecordBatch,
    ) -> Result<(), String> {
        let schema = self.stored.schema();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let read = batch.columns().par_iter().zip(columns.unwrap_or(&all));
        read.try_for_each(|(column, at)| {
            let field = schema.field(*at);
            let digest = column_digest(column, Type::of(field).unwrap_or(Type::Null));
            if Some(digest) == self.digest(chunk, *at) {
                return Ok(());
            }
            Err(format!("chunk {chunk}, column '{}': the values don't have their digest", field.name()))
        })
    }

    /// Parquet is decoded only after its bytes were held against their digest: its reader believes what a damaged file
    /// says of itself, and asks for any amount of memory.
    fn may_be_decoded(&self) -> Result<(), String> {
        let whole = || match self.stored {
            Chunks::Parquet(_) => self.manifest.file_is_whole(&self.folder),
            Chunks::Arrow(_) => true,
        };
        match *self.whole.get_or_init(whole) {
            true => Ok(()),
            false => Err(format!("{}: its bytes are not those that the manifest lists", self.path.display())),
        }
    }

    /// The readers may panic on bytes that no writer would write; that is damage like any other.
    fn read_guarded(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, String> {
        self.may_be_decoded()?;
        let read = std::panic::AssertUnwindSafe(|| self.read_chunk(chunk, columns));
        std::panic::catch_unwind(read).unwrap_or_else(|_| Err(format!("chunk {chunk} is damaged")))
    }

    fn read_chunk(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, String> {
        self.stored.read(chunk, Some(self.manifest.chunks[chunk].rows), columns)
    }
}

impl Table for SnapshotTable {
    fn name(&self) -> &str {
        &self.manifest.name
    }
    fn schema(&self) -> SchemaRef {
        self.stored.schema().clone()
    }
    fn rows(&self) -> u64 {
        self.manifest.rows
    }
    fn chunks(&self) -> usize {
        self.manifest.chunks.len()
    }
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        let failed = |problem| TableError { table: self.manifest.name.clone(), problem };
        if !self.verifying {
            return self.read_chunk(chunk, columns).map_err(failed);
        }
        let batch = self.read_guarded(chunk, columns).map_err(failed)?;
        self.hold_against_digests(chunk, columns, &batch).map_err(failed)?;
        Ok(batch)
    }
    fn digest(&self, chunk: usize, column: usize) -> Option<[u8; 32]> {
        self.digests.get(chunk)?.get(column).copied()
    }
    fn ordered_by(&self) -> Vec<usize> {
        let at = |name: &String| self.stored.schema().fields().iter().position(|f| f.name() == name);
        self.manifest.key.iter().map(at).collect::<Option<_>>().unwrap_or_default()
    }
    fn keys_of(&self, chunk: usize) -> Option<KeyFacts> {
        self.manifest.chunks.get(chunk).map(|c| c.keys)
    }
    fn rows_of(&self, chunk: usize) -> Option<u64> {
        self.manifest.chunks.get(chunk).map(|c| c.rows)
    }
}
