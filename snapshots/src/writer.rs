//! Writing a snapshot: to a temporary name, and renamed whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use blake3::Hasher;
use counterfoil_model::table::KeyFacts;
use counterfoil_model::{KeySpec, Keys, TableFacts, Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

use crate::SnapshotError;
use crate::chunk::{Chunk, Cutter};
use crate::digest::{column_digest, merkle_root};
use crate::manifest::{ChunkManifest, FORMAT, Manifest, TableManifest};
use crate::memory::MemoryBudget;
use crate::sort::{Block, Order, Run, Sorter};

/// Writes tables into a folder; [`SnapshotWriter::finish`] writes the manifest last, so a folder without one is
/// no snapshot.
#[derive(Debug)]
pub struct SnapshotWriter {
    folder: PathBuf,
    budget: MemoryBudget,
}

/// What is known of a table before its rows are.
#[derive(Clone, Debug)]
pub struct NewTable<'a> {
    /// Makes the file's name unique and stable.
    pub number: usize,
    /// The table's name.
    pub name: &'a str,
    /// Canonical columns.
    pub schema: SchemaRef,
    /// The key by which it is ordered; `None`: by the whole row, as a bag.
    pub key: Option<&'a KeySpec>,
    /// What the storage declares.
    pub facts: TableFacts,
}

impl SnapshotWriter {
    /// Begins a snapshot in a new folder. Tables that don't come in key order are sorted within the budget, and on disk
    /// beyond it.
    ///
    /// # Errors
    /// Where the folder exists with something in it, or can't be made.
    pub fn create(folder: &Path, budget: &MemoryBudget) -> Result<Self, SnapshotError> {
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
        Ok(Self { folder: folder.into(), budget: budget.clone() })
    }

    /// Orders, cuts, digests and writes one table, batch by batch.
    ///
    /// # Errors
    /// Where a column isn't canonical or the disk refuses, and what the rows themselves give.
    pub fn write_table<E: From<SnapshotError>>(
        &self,
        table: NewTable<'_>,
        rows: impl Iterator<Item = Result<RecordBatch, E>>,
    ) -> Result<TableManifest, E> {
        let order = Order::new(&table.schema, table.key);
        let scratch = self.folder.join(format!("sort-{:04}", table.number));
        let mut sorter = Sorter::new(order.clone(), table.schema.clone(), &scratch, &self.budget);
        let mut file = TableFile::create(&self.folder, &table)?;
        let mut stage = Stage::InOrder;
        let mut last: Vec<u8> = Vec::new();
        for batch in rows {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let keys = order.keys(&batch);
            let follows = last.is_empty() || keys.first().is_some_and(|first| last.as_slice() < first);
            let in_order = follows && keys.ascend_strictly();
            last.clear();
            last.extend_from_slice(keys.last().unwrap_or_default());
            let block = (batch, keys);
            stage = match stage {
                Stage::Streaming if in_order => {
                    file.push(&block)?;
                    Stage::Streaming
                }
                Stage::Streaming => {
                    // What was written so far is in order: it becomes a run among others.
                    sorter.add_run(file.into_run()?);
                    file = TableFile::create(&self.folder, &table)?;
                    sort(&mut sorter, block)?;
                    Stage::Unordered
                }
                Stage::InOrder if in_order => {
                    if sorter.has_room(&block) {
                        sorter.hold(block);
                        Stage::InOrder
                    } else {
                        sorter.take_held().iter().try_for_each(|held| file.push(held))?;
                        file.push(&block)?;
                        Stage::Streaming
                    }
                }
                Stage::InOrder | Stage::Unordered => {
                    sort(&mut sorter, block)?;
                    Stage::Unordered
                }
            };
        }
        match stage {
            Stage::Streaming => {}
            Stage::InOrder => sorter.take_held().iter().try_for_each(|held| file.push(held))?,
            Stage::Unordered => {
                for block in sorter.finish()? {
                    file.push(&block?)?;
                }
            }
        }
        if scratch.exists() {
            let io = |source| SnapshotError::Io { action: "remove", path: scratch.clone(), source };
            fs::remove_dir_all(&scratch).map_err(io)?;
        }
        Ok(file.finish(table)?)
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

/// How the rows of a table came so far.
enum Stage {
    /// In order, and held in memory.
    InOrder,
    /// In order, and more than memory holds: they are written as they come.
    Streaming,
    /// Not in order: they are sorted.
    Unordered,
}

fn sort(sorter: &mut Sorter, block: Block) -> Result<(), SnapshotError> {
    if !sorter.has_room(&block) {
        sorter.spill()?;
        // Alone, a block has room whatever it takes.
        sorter.has_room(&block);
    }
    sorter.hold(block);
    Ok(())
}

/// The Parquet file of a table that is being written.
struct TableFile {
    file: String,
    path: PathBuf,
    writer: ArrowWriter<Hashed>,
    cutter: Cutter,
    types: Vec<Type>,
    key: Vec<usize>,
    chunks: Vec<ChunkManifest>,
    rows: u64,
}

impl TableFile {
    fn create(folder: &Path, table: &NewTable<'_>) -> Result<Self, SnapshotError> {
        let types = types(table.name, &table.schema)?;
        let file = format!("tables/{:04}.parquet", table.number);
        let path = folder.join(&file);
        let io = |source| SnapshotError::Io { action: "create", path: path.clone(), source };
        let out = Hashed { file: File::create(&path).map_err(io)?, hasher: Hasher::new() };
        let schema = Arc::new(Schema::new(table.schema.fields().clone()));
        let writer = ArrowWriter::try_new(out, schema, Some(properties())).map_err(|e| storage(&path, &e))?;
        Ok(Self {
            file,
            writer,
            path,
            cutter: Cutter::new(table.schema.clone()),
            types,
            key: table.key.map(|k| k.columns.clone()).unwrap_or_default(),
            chunks: Vec::new(),
            rows: 0,
        })
    }

    /// Takes rows that follow those before.
    fn push(&mut self, (batch, keys): &(RecordBatch, Keys)) -> Result<(), SnapshotError> {
        let chunks = self.cutter.push(batch, keys).map_err(SnapshotError::Sort)?;
        chunks.into_iter().try_for_each(|chunk| self.write(chunk))
    }

    fn write(&mut self, chunk: Chunk) -> Result<(), SnapshotError> {
        let batch = &chunk.batch;
        let digests: Vec<String> =
            batch.columns().par_iter().zip(&self.types).map(|(c, t)| hex(&column_digest(c, *t))).collect();
        let failed = |e| storage(&self.path, &e);
        self.writer.write(batch).and_then(|()| self.writer.flush()).map_err(failed)?;
        let keys: Vec<&dyn Array> = self.key.iter().map(|c| batch.column(*c).as_ref()).collect();
        let nulls = match keys.iter().any(|k| k.null_count() > 0) {
            true => (0..batch.num_rows()).filter(|row| keys.iter().any(|k| k.is_null(*row))).count(),
            false => 0,
        };
        self.rows += batch.num_rows() as u64;
        self.chunks.push(ChunkManifest {
            rows: batch.num_rows() as u64,
            keys: KeyFacts { unique: chunk.unique, nulls: nulls as u64 },
            digests,
        });
        Ok(())
    }

    fn last_chunk(&mut self) -> Result<(), SnapshotError> {
        match self.cutter.finish().map_err(SnapshotError::Sort)? {
            Some(chunk) => self.write(chunk),
            None => Ok(()),
        }
    }

    /// Closes the file and hands its rows over for sorting.
    fn into_run(mut self) -> Result<Run, SnapshotError> {
        self.last_chunk()?;
        self.writer.close().map_err(|e| storage(&self.path, &e))?;
        let run = self.path.with_extension("run");
        let io = |source| SnapshotError::Io { action: "rename", path: self.path.clone(), source };
        fs::rename(&self.path, &run).map_err(io)?;
        Ok(Run::parquet(run))
    }

    fn finish(mut self, table: NewTable<'_>) -> Result<TableManifest, SnapshotError> {
        self.last_chunk()?;
        self.writer.finish().map_err(|e| storage(&self.path, &e))?;
        let name = |field: &arrow::datatypes::FieldRef| field.name().clone();
        let fields = table.schema.fields();
        let mut manifest = TableManifest {
            name: table.name.into(),
            blake3: self.writer.inner().hasher.finalize().to_hex().to_string(),
            file: self.file,
            rows: self.rows,
            key: self.key.iter().map(|c| name(&fields[*c])).collect(),
            facts: table.facts,
            columns: fields.iter().zip(&self.types).map(|(f, t)| (name(f), t.to_string())).collect(),
            chunks: self.chunks,
            root: String::new(),
        };
        manifest.root = hex(&manifest.computed_root());
        Ok(manifest)
    }
}

/// A file whose bytes are digested as they are written.
struct Hashed {
    file: File,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn storage(path: &Path, error: &dyn std::fmt::Display) -> SnapshotError {
    SnapshotError::Storage { action: "write", path: path.into(), problem: error.to_string() }
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
