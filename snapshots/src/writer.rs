//! Writing a snapshot: to a temporary name, and renamed whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::{KeySpec, TableFacts, Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

use crate::SnapshotError;
use crate::chunk::boundaries;
use crate::digest::{column_digest, merkle_root};
use crate::manifest::{ChunkManifest, FORMAT, Manifest, TableManifest};
use crate::sort::sort_by_key;

/// Writes tables into a folder; [`SnapshotWriter::finish`] writes the manifest last, so a folder without one is
/// no snapshot.
#[derive(Debug)]
pub struct SnapshotWriter {
    folder: PathBuf,
}

impl SnapshotWriter {
    /// Begins a snapshot in a new folder.
    ///
    /// # Errors
    /// Where the folder exists with something in it, or can't be made.
    pub fn create(folder: &Path) -> Result<Self, SnapshotError> {
        let tables = folder.join("tables");
        if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            let problem = "the folder is not empty; a snapshot is never written over another".into();
            return Err(SnapshotError::Corrupt { path: folder.into(), problem });
        }
        // Not its parents: where somebody removed those, the snapshot isn't wanted any more.
        for path in [folder, tables.as_path()].into_iter().filter(|p| !p.is_dir()) {
            fs::create_dir(path).map_err(|source| SnapshotError::Io {
                action: "create",
                path: path.into(),
                source,
            })?;
        }
        Ok(Self { folder: folder.into() })
    }

    /// Orders, cuts, digests and writes one table. `number` makes the file's name unique and stable.
    ///
    /// # Errors
    /// Where a column isn't canonical or the disk refuses.
    pub fn write_table(
        &self,
        number: usize,
        name: &str,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        key: Option<&KeySpec>,
        facts: TableFacts,
    ) -> Result<TableManifest, SnapshotError> {
        let file = format!("tables/{number:04}.parquet");
        let path = self.folder.join(&file);
        let storage = |e: &dyn std::fmt::Display| SnapshotError::Storage {
            action: "write",
            path: path.clone(),
            problem: e.to_string(),
        };
        let types = types(name, schema)?;
        let (batch, keys) = sort_by_key(schema, batches, key).map_err(|e| storage(&e))?;
        let sizes = boundaries(&keys);
        drop(keys);
        let out = File::create(&path).map_err(|source| SnapshotError::Io {
            action: "create",
            path: path.clone(),
            source,
        })?;
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        let mut writer =
            ArrowWriter::try_new(out, schema.clone(), Some(properties())).map_err(|e| storage(&e))?;
        let mut chunks = Vec::with_capacity(sizes.len());
        let mut start = 0;
        for size in sizes {
            let chunk = batch.slice(start, size);
            start += size;
            writer.write(&chunk).and_then(|()| writer.flush()).map_err(|e| storage(&e))?;
            let digests: Vec<String> =
                chunk.columns().par_iter().zip(&types).map(|(c, t)| hex(&column_digest(c, *t))).collect();
            chunks.push(ChunkManifest { rows: size as u64, digests });
        }
        writer.close().map_err(|e| storage(&e))?;
        let columns: Vec<(String, String)> =
            schema.fields().iter().zip(&types).map(|(f, t)| (f.name().clone(), t.to_string())).collect();
        let key = key.map(|k| k.columns.iter().map(|c| schema.field(*c).name().clone()).collect());
        let mut table = TableManifest {
            name: name.into(),
            blake3: file_digest(&path)?,
            file,
            rows: batch.num_rows() as u64,
            key: key.unwrap_or_default(),
            facts,
            columns,
            chunks,
            root: String::new(),
        };
        table.root = hex(&table.computed_root());
        Ok(table)
    }

    /// Writes the manifest: now the folder is a snapshot.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(
        self,
        mut tables: Vec<TableManifest>,
        url: &str,
        taken_at: &str,
        consistency: &str,
        version: &str,
    ) -> Result<Manifest, SnapshotError> {
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let mut manifest = Manifest {
            format: FORMAT.into(),
            url: url.into(),
            taken_at: taken_at.into(),
            consistency: consistency.into(),
            version: version.into(),
            tables,
            root: String::new(),
        };
        manifest.root = hex(&manifest.computed_root());
        let path = self.folder.join("manifest.json");
        let temporary = self.folder.join("manifest.json.tmp");
        let io = |source| SnapshotError::Io { action: "write", path: path.clone(), source };
        let text = serde_json::to_string_pretty(&manifest).map_err(|e| io(e.into()))?;
        fs::write(&temporary, text + "\n").map_err(io)?;
        fs::rename(&temporary, &path).map_err(io)?;
        Ok(manifest)
    }
}

impl TableManifest {
    /// The root that the digests give: over the columns in order, each the root over its chunks.
    pub(crate) fn computed_root(&self) -> [u8; 32] {
        let columns: Vec<[u8; 32]> = (0..self.columns.len())
            .map(|c| merkle_root(self.chunks.iter().map(|chunk| ("", unhex(&chunk.digests[c])))))
            .collect();
        merkle_root(self.columns.iter().map(|(name, _)| name.as_str()).zip(columns))
    }
}

impl Manifest {
    /// The root over the tables.
    pub(crate) fn computed_root(&self) -> [u8; 32] {
        merkle_root(self.tables.iter().map(|t| (t.name.as_str(), unhex(&t.root))))
    }
}

/// BLAKE3 of a file, hexadecimal.
pub(crate) fn file_digest(path: &Path) -> Result<String, SnapshotError> {
    let io = |source| SnapshotError::Io { action: "read", path: path.into(), source };
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut File::open(path).map_err(io)?, &mut hasher).map_err(io)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn types(table: &str, schema: &SchemaRef) -> Result<Vec<Type>, SnapshotError> {
    let not_canonical =
        |column: &str| SnapshotError::NotCanonical { table: table.into(), column: column.into() };
    schema.fields().iter().map(|f| Type::of(f).ok_or_else(|| not_canonical(f.name()))).collect()
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        // Measured: LZ4 without dictionaries reads back in two thirds of zstd's time (10 M rows, 10 columns).
        .set_compression(Compression::LZ4_RAW)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(None)
        .set_created_by("counterfoil".into())
        .build()
}

/// Hexadecimal digits.
pub(crate) fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}

/// The digest of hexadecimal digits; zeros where they are none (then no digest equals it).
pub(crate) fn unhex(text: &str) -> [u8; 32] {
    blake3::Hash::from_hex(text).map_or([0; 32], |h| *h.as_bytes())
}
