//! The file of a table: rows are cut into chunks, each digested and written.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use counterfoil_model::Type;
use counterfoil_model::column::{has_nulls, is_null_at};
use counterfoil_model::table::KeyFacts;
use rayon::prelude::*;

use crate::SnapshotError;
use crate::chunk::{Chunk, Cutter};
use crate::digest::column_digest;
use crate::journal::{Header, Journal, UNFINISHED};
use crate::manifest::{ChunkManifest, TableManifest};
use crate::sort::{Block, Run};
use crate::storage::{ChunksOut, Storage};
use crate::writer::{NewTable, hex};

/// The file of a table that is being written.
pub(crate) struct TableFile {
    folder: PathBuf,
    storage: Storage,
    file: String,
    path: PathBuf,
    out: ChunksOut,
    cutter: Cutter,
    /// Chunks that are complete and not yet written.
    complete: Vec<Chunk>,
    types: Vec<Type>,
    key: Vec<usize>,
    chunks: Vec<ChunkManifest>,
    rows: u64,
}

/// What an unfinished file still had.
pub(crate) struct Resumed {
    /// The file, with the chunks that were whole.
    pub(crate) file: TableFile,
    /// Those chunks.
    pub(crate) chunks: Vec<ChunkManifest>,
    /// Their last row.
    pub(crate) last: Option<RecordBatch>,
}

impl TableFile {
    /// Begins a file with the chunks of one that was not finished, as far as they have the digests that were written
    /// down. That one stays aside, for the case that this is interrupted too.
    pub(crate) fn resume(
        folder: &Path,
        table: &NewTable<'_>,
        storage: Storage,
        past: &[ChunkManifest],
    ) -> Result<Resumed, SnapshotError> {
        let aside = aside(folder, table.number);
        let path = folder.join(file_name(table.number, storage));
        if !aside.exists() && path.exists() {
            let io = |source| SnapshotError::Io { action: "rename", path: path.clone(), source };
            fs::rename(&path, &aside).map_err(io)?;
        }
        let mut file = Self::create(folder, table, storage)?;
        let mut last = None;
        for (chunk, batch) in past.iter().zip(storage.unfinished(&aside)) {
            let same = batch.schema().fields() == table.schema.fields()
                && batch.num_rows() as u64 == chunk.rows
                && file.digests(&batch) == chunk.digests;
            if !same {
                break;
            }
            file.out.write(&batch)?;
            file.rows += chunk.rows;
            file.chunks.push(chunk.clone());
            last = Some(batch.slice(batch.num_rows() - 1, 1));
        }
        Ok(Resumed { chunks: file.chunks.clone(), file, last })
    }

    /// Removes what [`TableFile::resume`] put aside.
    pub(crate) fn forget(folder: &Path, number: usize) {
        // It goes with the folder if not now.
        let _ = fs::remove_file(aside(folder, number));
    }

    pub(crate) fn create(
        folder: &Path,
        table: &NewTable<'_>,
        storage: Storage,
    ) -> Result<Self, SnapshotError> {
        let types = types(table.name, &table.schema)?;
        let file = file_name(table.number, storage);
        let path = folder.join(&file);
        Ok(Self {
            folder: folder.into(),
            storage,
            file,
            out: ChunksOut::create(storage, &path, &table.schema)?,
            path,
            cutter: Cutter::new(table.schema.clone()),
            complete: Vec::new(),
            types,
            key: table.key.map(|k| k.columns.clone()).unwrap_or_default(),
            chunks: Vec::new(),
            rows: 0,
        })
    }

    /// Takes rows that follow those before; chunks that are now complete wait for [`TableFile::write_complete`].
    pub(crate) fn push(&mut self, (batch, keys): &Block) -> Result<(), SnapshotError> {
        self.complete.extend(self.cutter.push(batch, keys).map_err(SnapshotError::Sort)?);
        Ok(())
    }

    /// Writes the chunks that are complete, and writes that down.
    pub(crate) fn write_complete(&mut self, journal: &mut Journal) -> Result<(), SnapshotError> {
        for chunk in std::mem::take(&mut self.complete) {
            self.write(chunk)?;
            self.chunks.last().map_or(Ok(()), |chunk| journal.chunk(chunk))?;
        }
        Ok(())
    }

    fn digests(&self, batch: &RecordBatch) -> Vec<String> {
        let columns = batch.columns().par_iter().zip(&self.types);
        columns.map(|(column, kind)| hex(&column_digest(column, *kind))).collect()
    }

    fn write(&mut self, chunk: Chunk) -> Result<(), SnapshotError> {
        let batch = &chunk.batch;
        let digests = self.digests(batch);
        self.out.write(batch)?;
        let keys: Vec<&dyn Array> = self.key.iter().map(|c| batch.column(*c).as_ref()).collect();
        let nulls = match keys.iter().any(|k| has_nulls(*k)) {
            true => (0..batch.num_rows()).filter(|row| keys.iter().any(|k| is_null_at(*k, *row))).count(),
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

    /// The last chunk of the table: the next key didn't close it, so nobody may go on after it.
    fn last_chunk(&mut self) -> Result<(), SnapshotError> {
        std::mem::take(&mut self.complete).into_iter().try_for_each(|chunk| self.write(chunk))?;
        match self.cutter.finish().map_err(SnapshotError::Sort)? {
            Some(chunk) => self.write(chunk),
            None => Ok(()),
        }
    }

    /// Hands the rows written so far over for sorting, and begins anew.
    pub(crate) fn take_run(&mut self, table: &NewTable<'_>) -> Result<Run, SnapshotError> {
        self.last_chunk()?;
        let digest = self.out.finish()?;
        let name = self.file.trim_start_matches("tables/");
        let run = self.folder.join(UNFINISHED).join(format!("run-{name}"));
        let io = |source| SnapshotError::Io { action: "rename", path: self.path.clone(), source };
        fs::rename(&self.path, &run).map_err(io)?;
        let rows = self.rows;
        *self = Self::create(&self.folder, table, self.storage)?;
        Ok(Run::stored(run, rows, &digest))
    }

    pub(crate) fn finish(mut self, table: NewTable<'_>) -> Result<TableManifest, SnapshotError> {
        self.last_chunk()?;
        let name = |field: &FieldRef| field.name().clone();
        let fields = table.schema.fields();
        let mut manifest = TableManifest {
            name: table.name.into(),
            blake3: self.out.finish()?.to_hex().to_string(),
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

fn file_name(number: usize, storage: Storage) -> String {
    format!("tables/{number:04}.{}", storage.extension())
}

fn aside(folder: &Path, number: usize) -> PathBuf {
    folder.join(UNFINISHED).join(format!("{number:04}.part"))
}

/// What a table must have in common with a journal for it to be its own.
pub(crate) fn header(table: &NewTable<'_>, storage: Storage) -> Result<Header, SnapshotError> {
    let fields = table.schema.fields();
    let key = table.key.map(|k| k.columns.as_slice()).unwrap_or_default();
    let name = |field: &FieldRef| field.name().clone();
    Ok(Header {
        table: table.name.into(),
        columns: fields
            .iter()
            .map(name)
            .zip(types(table.name, &table.schema)?.iter().map(Type::to_string))
            .collect(),
        key: key.iter().map(|c| name(&fields[*c])).collect(),
        file: file_name(table.number, storage),
    })
}

fn types(table: &str, schema: &SchemaRef) -> Result<Vec<Type>, SnapshotError> {
    let not_canonical =
        |column: &str| SnapshotError::NotCanonical { table: table.into(), column: column.into() };
    schema.fields().iter().map(|f| Type::of(f).ok_or_else(|| not_canonical(f.name()))).collect()
}
