//! Chunks as row groups of a Parquet file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::Type;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::{Hashed, cannot_read, corrupt, failed_to_write};
use crate::SnapshotError;

/// A Parquet file that is being written; columns are encoded all at once.
pub(crate) struct ParquetOut {
    path: PathBuf,
    writer: SerializedFileWriter<Hashed>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    groups: usize,
}

impl ParquetOut {
    pub(super) fn create(path: &Path, schema: &SchemaRef) -> Result<Self, SnapshotError> {
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        let (writer, columns) =
            ArrowWriter::try_new(Hashed::create(path)?, schema.clone(), Some(properties()))
                .and_then(ArrowWriter::into_serialized_writer)
                .map_err(|e| failed_to_write(path, &e))?;
        Ok(Self { path: path.into(), writer, columns, schema, groups: 0 })
    }

    pub(super) fn write(&mut self, chunk: &RecordBatch) -> Result<(), SnapshotError> {
        let path = self.path.clone();
        self.write_group(chunk).map_err(|e| failed_to_write(&path, &e))
    }

    fn write_group(&mut self, chunk: &RecordBatch) -> Result<(), ParquetError> {
        let mut writers = self.columns.create_column_writers(self.groups)?.into_iter();
        self.groups += 1;
        // A column of structs is several columns of the file.
        let columns: Vec<(usize, Vec<ArrowColumnWriter>)> = (0..chunk.num_columns())
            .map(|at| (at, writers.by_ref().take(leaves(&self.schema, at)).collect()))
            .collect();
        let encoded: Vec<Vec<ArrowColumnChunk>> = columns
            .into_par_iter()
            .map(|(at, writers)| {
                let leaves = compute_leaves(self.schema.field(at), chunk.column(at))?;
                let encode = |(mut writer, leaf): (ArrowColumnWriter, _)| {
                    writer.write(&leaf)?;
                    writer.close()
                };
                writers.into_iter().zip(leaves).map(encode).collect()
            })
            .collect::<Result<_, ParquetError>>()?;
        let mut group = self.writer.next_row_group()?;
        encoded.into_iter().flatten().try_for_each(|e| e.append_to_row_group(&mut group))?;
        group.close().map(drop)
    }

    pub(super) fn finish(&mut self) -> Result<blake3::Hash, SnapshotError> {
        self.writer.finish().map_err(|e| failed_to_write(&self.path, &e))?;
        Ok(self.writer.inner().digest())
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("counterfoil".into())
        .build()
}

/// How many columns of the file a column is.
fn leaves(schema: &SchemaRef, column: usize) -> usize {
    if Type::of(schema.field(column)) == Some(Type::Geo) { 2 } else { 1 }
}

/// A Parquet file of chunks.
#[derive(Debug)]
pub(crate) struct ParquetChunks {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl ParquetChunks {
    pub(super) fn open(path: &Path) -> Result<Self, SnapshotError> {
        let file = File::open(path).map_err(cannot_read(path))?;
        let metadata =
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|e| corrupt(path, e))?;
        Ok(Self { path: path.into(), metadata })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(super) fn len(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub(super) fn read(
        &self,
        chunk: usize,
        columns: Option<&[usize]>,
        rows: impl Fn(i64) -> Result<usize, String>,
    ) -> Result<RecordBatch, String> {
        let groups = self.metadata.metadata();
        let rows = rows(groups.row_groups().get(chunk).ok_or("no such chunk")?.num_rows())?;
        let file = File::open(&self.path).map_err(|e| format!("{}: {e}", self.path.display()))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mut schema = self.schema().clone();
        if let Some(columns) = columns {
            let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
            schema = Arc::new(schema.project(columns).map_err(|e| e.to_string())?);
        }
        if schema.fields().is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            return RecordBatch::try_new_with_options(schema, vec![], &options).map_err(|e| e.to_string());
        }
        let reader = builder.with_row_groups(vec![chunk]).with_batch_size(rows.max(1)).build();
        let batches: Vec<RecordBatch> =
            reader.map_err(|e| e.to_string())?.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        concat_batches(&schema, &batches).map_err(|e| e.to_string())
    }
}
