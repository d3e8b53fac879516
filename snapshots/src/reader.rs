//! Reading a snapshot.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use counterfoil_model::{Table, TableError, TableFacts, Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use crate::SnapshotError;
use crate::digest::column_digest;
use crate::manifest::{FORMAT, Manifest, TableManifest};
use crate::writer::{file_digest, hex, unhex};

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

    /// Opens a snapshot that somebody kept: its files must also have their digests, so that nothing of a damaged or
    /// altered file is ever parsed.
    ///
    /// # Errors
    /// As [`Snapshot::open`], and for a file that is missing or has other bytes.
    pub fn open_kept(folder: &Path) -> Result<Self, SnapshotError> {
        let snapshot = Self::open(folder)?;
        for table in &snapshot.manifest.tables {
            let path = folder.join(&table.file);
            if file_digest(&path)? != table.blake3 {
                let problem = format!(
                    "the file of table '{}' doesn't have the digest that the manifest lists",
                    table.name
                );
                return Err(SnapshotError::Corrupt { path, problem });
            }
        }
        Ok(snapshot)
    }

    /// What the snapshot holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
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
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
}

impl SnapshotTable {
    /// Opens a table's file in a snapshot's folder.
    ///
    /// # Errors
    /// Where the file is missing, damaged, or not what the manifest says.
    pub fn open(folder: &Path, manifest: TableManifest) -> Result<Self, SnapshotError> {
        let path = folder.join(&manifest.file);
        let file = File::open(&path).map_err(|source| SnapshotError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let corrupt = |problem: String| SnapshotError::Corrupt { path: path.clone(), problem };
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|e| corrupt(e.to_string()))?;
        let groups: Vec<u64> = metadata.metadata().row_groups().iter().map(|g| g.num_rows() as u64).collect();
        if groups != manifest.chunks.iter().map(|c| c.rows).collect::<Vec<_>>() {
            return Err(corrupt("its row groups are not the chunks that the manifest lists".into()));
        }
        let schema = metadata.schema().clone();
        let columns: Vec<(String, String)> = schema
            .fields()
            .iter()
            .map(|f| (f.name().clone(), Type::of(f).map_or_else(String::new, |t| t.to_string())))
            .collect();
        if columns != manifest.columns {
            return Err(corrupt("its columns are not those that the manifest lists".into()));
        }
        Ok(Self { folder: folder.into(), path, manifest, metadata, schema })
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

    /// Whether all values still have their digests.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`] naming the first chunk and column that don't.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        for chunk in 0..self.chunks() {
            let batch = self
                .read(chunk, None)
                .map_err(|e| SnapshotError::Corrupt { path: self.path.clone(), problem: e.problem })?;
            for (c, (column, field)) in batch.columns().iter().zip(self.schema.fields()).enumerate() {
                let digest = column_digest(column, Type::of(field).unwrap_or(Type::Null));
                if Some(digest) != self.digest(chunk, c) {
                    let problem = format!(
                        "chunk {chunk}, column '{}': the values don't have their digest",
                        field.name()
                    );
                    return Err(SnapshotError::Corrupt { path: self.path.clone(), problem });
                }
            }
        }
        Ok(())
    }

    fn read_chunk(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, String> {
        let file = File::open(&self.path).map_err(|e| format!("{}: {e}", self.path.display()))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mut schema = self.schema.clone();
        if let Some(columns) = columns {
            builder = builder.with_projection(ProjectionMask::roots(
                self.metadata.parquet_schema(),
                columns.iter().copied(),
            ));
            schema = Arc::new(schema.project(columns).map_err(|e| e.to_string())?);
        }
        let rows = self.manifest.chunks[chunk].rows as usize;
        if schema.fields().is_empty() {
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
            return RecordBatch::try_new_with_options(schema, vec![], &options).map_err(|e| e.to_string());
        }
        let reader = builder
            .with_row_groups(vec![chunk])
            .with_batch_size(rows.max(1))
            .build()
            .map_err(|e| e.to_string())?;
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        concat_batches(&schema, &batches).map_err(|e| e.to_string())
    }
}

impl Table for SnapshotTable {
    fn name(&self) -> &str {
        &self.manifest.name
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> u64 {
        self.manifest.rows
    }
    fn chunks(&self) -> usize {
        self.manifest.chunks.len()
    }
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        self.read_chunk(chunk, columns)
            .map_err(|problem| TableError { table: self.manifest.name.clone(), problem })
    }
    fn digest(&self, chunk: usize, column: usize) -> Option<[u8; 32]> {
        self.manifest.chunks.get(chunk)?.digests.get(column).map(|d| unhex(d))
    }
}
