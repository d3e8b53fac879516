//! The Parquet file of a table: cut into chunks, digested and encoded column by column, all columns at once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use blake3::Hasher;
use counterfoil_model::Type;
use counterfoil_model::column::{has_nulls, is_null_at};
use counterfoil_model::table::KeyFacts;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use crate::SnapshotError;
use crate::chunk::{Chunk, Cutter};
use crate::digest::column_digest;
use crate::manifest::{ChunkManifest, TableManifest};
use crate::sort::{Block, Run};
use crate::writer::{NewTable, hex};

/// The Parquet file of a table that is being written.
pub(crate) struct TableFile {
    file: String,
    path: PathBuf,
    writer: SerializedFileWriter<Hashed>,
    columns: ArrowRowGroupWriterFactory,
    cutter: Cutter,
    /// Chunks that are complete and not yet written.
    complete: Vec<Chunk>,
    schema: SchemaRef,
    types: Vec<Type>,
    key: Vec<usize>,
    chunks: Vec<ChunkManifest>,
    rows: u64,
}

impl TableFile {
    pub(crate) fn create(folder: &Path, table: &NewTable<'_>) -> Result<Self, SnapshotError> {
        let types = types(table.name, &table.schema)?;
        let file = format!("tables/{:04}.parquet", table.number);
        let path = folder.join(&file);
        let io = |source| SnapshotError::Io { action: "create", path: path.clone(), source };
        let out = Hashed { file: File::create(&path).map_err(io)?, hasher: Hasher::new() };
        let schema = Arc::new(Schema::new(table.schema.fields().clone()));
        let (writer, columns) = ArrowWriter::try_new(out, schema.clone(), Some(properties()))
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(|e| storage(&path, &e))?;
        Ok(Self {
            file,
            writer,
            columns,
            path,
            cutter: Cutter::new(table.schema.clone()),
            complete: Vec::new(),
            schema,
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
        let path = &self.path;
        let failed = |e: ParquetError| storage(path, &e);
        let mut writers = self.columns.create_column_writers(self.chunks.len()).map_err(failed)?.into_iter();
        // A column of structs is several columns of the file.
        let columns: Vec<(usize, Vec<ArrowColumnWriter>)> = (0..batch.num_columns())
            .map(|at| (at, writers.by_ref().take(leaves(self.types[at])).collect()))
            .collect();
        let written: Vec<(String, Vec<ArrowColumnChunk>)> = columns
            .into_par_iter()
            .map(|(at, writers)| {
                let column = batch.column(at);
                let digest = hex(&column_digest(column, self.types[at]));
                let leaves = compute_leaves(self.schema.field(at), column)?;
                let encode = |(mut writer, leaf): (ArrowColumnWriter, _)| {
                    writer.write(&leaf)?;
                    writer.close()
                };
                let encoded = writers.into_iter().zip(leaves).map(encode).collect::<Result<_, _>>()?;
                Ok((digest, encoded))
            })
            .collect::<Result<_, ParquetError>>()
            .map_err(failed)?;
        let mut group = self.writer.next_row_group().map_err(failed)?;
        let mut digests = Vec::with_capacity(written.len());
        for (digest, encoded) in written {
            digests.push(digest);
            encoded.into_iter().try_for_each(|e| e.append_to_row_group(&mut group)).map_err(failed)?;
        }
        group.close().map_err(failed)?;
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
        self.writer.close().map_err(|e| storage(&self.path, &e))?;
        let run = self.path.with_extension("run");
        let io = |source| SnapshotError::Io { action: "rename", path: self.path.clone(), source };
        fs::rename(&self.path, &run).map_err(io)?;
        Ok(Run::parquet(run))
    }

    pub(crate) fn finish(mut self, table: NewTable<'_>) -> Result<TableManifest, SnapshotError> {
        self.last_chunk()?;
        self.writer.finish().map_err(|e| storage(&self.path, &e))?;
        let name = |field: &FieldRef| field.name().clone();
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
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("counterfoil".into())
        .build()
}

/// How many columns of the file a column of this type is.
fn leaves(kind: Type) -> usize {
    if kind == Type::Geo { 2 } else { 1 }
}
