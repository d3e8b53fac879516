//! The file of a table: rows are cut into chunks, each digested and written.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::Array;
use arrow::datatypes::{FieldRef, SchemaRef};
use counterfoil_model::Type;
use counterfoil_model::column::{has_nulls, is_null_at};
use counterfoil_model::table::KeyFacts;
use rayon::prelude::*;

use crate::SnapshotError;
use crate::chunk::{Chunk, Cutter};
use crate::digest::column_digest;
use crate::manifest::{ChunkManifest, TableManifest};
use crate::sort::{Block, Run};
use crate::storage::{ChunksOut, Storage};
use crate::writer::{NewTable, hex};

/// The file of a table that is being written.
pub(crate) struct TableFile {
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

impl TableFile {
    pub(crate) fn create(
        folder: &Path,
        table: &NewTable<'_>,
        storage: Storage,
    ) -> Result<Self, SnapshotError> {
        let types = types(table.name, &table.schema)?;
        let file = format!("tables/{:04}.{}", table.number, storage.extension());
        let path = folder.join(&file);
        Ok(Self {
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

    /// Writes the chunks that are complete.
    pub(crate) fn write_complete(&mut self) -> Result<(), SnapshotError> {
        std::mem::take(&mut self.complete).into_iter().try_for_each(|chunk| self.write(chunk))
    }

    fn write(&mut self, chunk: Chunk) -> Result<(), SnapshotError> {
        let batch = &chunk.batch;
        let columns = batch.columns().par_iter().zip(&self.types);
        let digests = columns.map(|(column, kind)| hex(&column_digest(column, *kind))).collect();
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

    fn last_chunk(&mut self) -> Result<(), SnapshotError> {
        self.write_complete()?;
        match self.cutter.finish().map_err(SnapshotError::Sort)? {
            Some(chunk) => self.write(chunk),
            None => Ok(()),
        }
    }

    /// Closes the file and hands its rows over for sorting.
    pub(crate) fn into_run(mut self) -> Result<Run, SnapshotError> {
        self.last_chunk()?;
        self.out.finish()?;
        let run = self.path.with_file_name(format!("run-{}", self.file.trim_start_matches("tables/")));
        let io = |source| SnapshotError::Io { action: "rename", path: self.path.clone(), source };
        fs::rename(&self.path, &run).map_err(io)?;
        Ok(Run::stored(run))
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

fn types(table: &str, schema: &SchemaRef) -> Result<Vec<Type>, SnapshotError> {
    let not_canonical =
        |column: &str| SnapshotError::NotCanonical { table: table.into(), column: column.into() };
    schema.fields().iter().map(|f| Type::of(f).ok_or_else(|| not_canonical(f.name()))).collect()
}
