//! Sorted rows on disk.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use super::Block;
use crate::SnapshotError;
use crate::storage::Chunks;

/// A file of rows in order; removed when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug)]
enum Format {
    /// An Arrow IPC stream, compressed with LZ4.
    Arrow,
    /// A table of the store that was being written when the rows turned out not to be in order.
    Stored,
}

/// The rows of a run, a batch at a time.
pub(super) type Rows = Box<dyn Iterator<Item = Result<RecordBatch, SnapshotError>> + Send>;

impl Run {
    /// A file of the store whose rows are in order.
    pub(crate) fn stored(path: PathBuf) -> Self {
        Self { path, format: Format::Stored }
    }

    /// Writes rows that come in order.
    pub(super) fn write(
        path: PathBuf,
        schema: &SchemaRef,
        rows: impl Iterator<Item = Result<Block, SnapshotError>>,
    ) -> Result<Self, SnapshotError> {
        let io = |source| SnapshotError::Io { action: "create", path: path.clone(), source };
        let failed = |e: arrow::error::ArrowError| SnapshotError::Storage {
            action: "write",
            path: path.clone(),
            problem: e.to_string(),
        };
        let out = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(io)?);
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(failed)?;
        let mut writer = StreamWriter::try_new_with_options(out, schema, options).map_err(failed)?;
        for block in rows {
            let (batch, _) = block?;
            writer.write(&compact(&batch).map_err(failed)?).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        drop(writer);
        Ok(Self { path, format: Format::Arrow })
    }

    /// Opens the run.
    pub(super) fn rows(&self) -> Result<Rows, SnapshotError> {
        let path = self.path.clone();
        let file = File::open(&path).map_err(|source| SnapshotError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let failed = {
            let path = path.clone();
            move |problem: String| SnapshotError::Storage { action: "read", path: path.clone(), problem }
        };
        Ok(match self.format {
            Format::Arrow => {
                let reader = StreamReader::try_new(BufReader::with_capacity(1 << 18, file), None);
                let reader = reader.map_err(|e| failed(e.to_string()))?;
                Box::new(reader.map(move |batch| batch.map_err(|e| failed(e.to_string()))))
            }
            Format::Stored => {
                let chunks = Chunks::open(&path)?;
                Box::new((0..chunks.len()).map(move |chunk| chunks.read(chunk, None).map_err(&failed)))
            }
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Left behind, it goes with the scratch folder.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Views hold on to the whole buffers they point into; what is written should be these rows alone.
pub(crate) fn compact(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()) as ArrayRef,
            _ => column.clone(),
        })
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}
