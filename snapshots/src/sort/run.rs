//! Sorted rows on disk.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use super::Block;
use crate::SnapshotError;
use crate::journal::RunFile;
use crate::storage::{Chunks, Hashed, digest_of};

/// A file of rows in order; removed when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    format: Format,
    digest: String,
    rows: u64,
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
    pub(crate) fn stored(path: PathBuf, rows: u64, digest: &blake3::Hash) -> Self {
        Self { path, format: Format::Stored, digest: digest.to_hex().to_string(), rows }
    }

    /// How many rows it holds.
    pub(super) fn len(&self) -> u64 {
        self.rows
    }

    /// What is written down of it; its path from a folder on.
    pub(super) fn entry(&self, base: &Path) -> RunFile {
        let stored = matches!(self.format, Format::Stored);
        let path = self.path.strip_prefix(base).unwrap_or(&self.path).to_path_buf();
        RunFile { path, blake3: self.digest.clone(), stored, rows: self.rows }
    }

    /// The run that was written down, if it is still what it was.
    pub(crate) fn of(entry: &RunFile, base: &Path) -> Option<Self> {
        let path = base.join(&entry.path);
        let whole = digest_of(&path).ok()?.to_hex().as_str() == entry.blake3;
        let format = if entry.stored { Format::Stored } else { Format::Arrow };
        let digest = entry.blake3.clone();
        whole.then_some(Self { path, format, digest, rows: entry.rows })
    }

    /// Writes rows that come in order.
    pub(super) fn write(
        path: PathBuf,
        schema: &SchemaRef,
        rows: impl Iterator<Item = Result<Block, SnapshotError>>,
    ) -> Result<Self, SnapshotError> {
        let failed = |e: arrow::error::ArrowError| SnapshotError::Storage {
            action: "write",
            path: path.clone(),
            problem: e.to_string(),
        };
        let out = BufWriter::with_capacity(1 << 20, Hashed::create(&path)?);
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(failed)?;
        let mut writer = StreamWriter::try_new_with_options(out, schema, options).map_err(failed)?;
        let mut count = 0;
        for block in rows {
            let (batch, _) = block?;
            count += batch.num_rows() as u64;
            writer.write(&compact(&batch).map_err(failed)?).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        let digest = writer.get_ref().get_ref().digest().to_hex().to_string();
        Ok(Self { path, format: Format::Arrow, digest, rows: count })
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
                Box::new((0..chunks.len()).map(move |chunk| chunks.read(chunk, None, None).map_err(&failed)))
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
