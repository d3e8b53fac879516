//! How the chunks of a table lie in its file.

mod arrow_file;
mod parquet_file;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use blake3::Hasher;

use crate::SnapshotError;
use arrow_file::{ArrowChunks, ArrowOut};
use parquet_file::{ParquetChunks, ParquetOut};

/// The format of a table's file. Either holds the same chunks and has the same digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// An Arrow IPC file, uncompressed: a column is read as it lies there, with nothing to decode.
    #[default]
    Arrow,
    /// Parquet, compressed with zstd: a third of the space, for what is to be kept.
    Parquet,
}

impl Storage {
    /// Chunks of a file that was not finished, as far as they are whole. Parquet says only at its end what it holds.
    pub(crate) fn unfinished(self, path: &Path) -> Box<dyn Iterator<Item = RecordBatch>> {
        match self {
            Self::Arrow => arrow_file::unfinished(path),
            Self::Parquet => Box::new(std::iter::empty()),
        }
    }

    /// The extension of its files.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// The storage of a file, by its extension.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        [Self::Arrow, Self::Parquet].into_iter().find(|s| s.extension() == extension)
    }
}

/// A table's file that is being written, chunk by chunk.
pub(crate) enum ChunksOut {
    Arrow(Box<ArrowOut>),
    Parquet(Box<ParquetOut>),
}

impl ChunksOut {
    pub(crate) fn create(storage: Storage, path: &Path, schema: &SchemaRef) -> Result<Self, SnapshotError> {
        Ok(match storage {
            Storage::Arrow => Self::Arrow(Box::new(ArrowOut::create(path, schema)?)),
            Storage::Parquet => Self::Parquet(Box::new(ParquetOut::create(path, schema)?)),
        })
    }

    pub(crate) fn write(&mut self, chunk: &RecordBatch) -> Result<(), SnapshotError> {
        match self {
            Self::Arrow(out) => out.write(chunk),
            Self::Parquet(out) => out.write(chunk),
        }
    }

    /// Closes the file, and gives the BLAKE3 of its bytes.
    pub(crate) fn finish(&mut self) -> Result<blake3::Hash, SnapshotError> {
        match self {
            Self::Arrow(out) => out.finish(),
            Self::Parquet(out) => out.finish(),
        }
    }
}

/// A table's file that was written whole.
#[derive(Debug)]
pub(crate) enum Chunks {
    Arrow(ArrowChunks),
    Parquet(ParquetChunks),
}

impl Chunks {
    /// Opens a file; nothing but its description is read.
    pub(crate) fn open(path: &Path) -> Result<Self, SnapshotError> {
        match Storage::of(path) {
            Some(Storage::Arrow) => ArrowChunks::open(path).map(Self::Arrow),
            Some(Storage::Parquet) => ParquetChunks::open(path).map(Self::Parquet),
            None => Err(corrupt(path, "neither an Arrow nor a Parquet file by its name")),
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            Self::Arrow(chunks) => chunks.schema(),
            Self::Parquet(chunks) => chunks.schema(),
        }
    }

    /// How many chunks there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Arrow(chunks) => chunks.len(),
            Self::Parquet(chunks) => chunks.len(),
        }
    }

    /// Some columns (ascending; `None`: all) of a chunk. Where it is known how many rows the chunk has, nothing else is
    /// read: a damaged file may claim any number.
    pub(crate) fn read(
        &self,
        chunk: usize,
        rows: Option<u64>,
        columns: Option<&[usize]>,
    ) -> Result<RecordBatch, String> {
        let as_listed = |found: i64| match usize::try_from(found) {
            Ok(found) if rows.is_none_or(|rows| rows == found as u64) => Ok(found),
            _ => Err(format!("chunk {chunk} doesn't have as many rows as the manifest lists")),
        };
        match self {
            Self::Arrow(chunks) => chunks.read(chunk, columns, as_listed),
            Self::Parquet(chunks) => chunks.read(chunk, columns, as_listed),
        }
    }
}

/// BLAKE3 takes so many bytes at its full speed on one thread.
const LONG: usize = 256 << 10;

/// A file whose bytes are digested as they are written.
pub(crate) struct Hashed {
    file: File,
    hasher: Hasher,
}

impl Hashed {
    pub(crate) fn create(path: &Path) -> Result<Self, SnapshotError> {
        let io = |source| SnapshotError::Io { action: "create", path: path.into(), source };
        Ok(Self { file: File::create(path).map_err(io)?, hasher: Hasher::new() })
    }

    pub(crate) fn digest(&self) -> blake3::Hash {
        self.hasher.finalize()
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let done = &bytes[..written];
        // Only long inputs are worth several threads.
        if done.len() >= LONG {
            self.hasher.update_rayon(done)
        } else {
            self.hasher.update(done)
        };
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The BLAKE3 of a file. It is read, not mapped: a mapping counts as memory of this process, as large as the file.
pub(crate) fn digest_of(path: &Path) -> std::io::Result<blake3::Hash> {
    const AT_ONCE: u64 = 16 << 20;
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut bytes = Vec::new();
    while Read::by_ref(&mut file).take(AT_ONCE).read_to_end(&mut bytes)? > 0 {
        hasher.update_rayon(&bytes);
        bytes.clear();
    }
    Ok(hasher.finalize())
}

fn failed_to_write(path: &Path, error: &dyn std::fmt::Display) -> SnapshotError {
    SnapshotError::Storage { action: "write", path: path.into(), problem: error.to_string() }
}

fn corrupt(path: &Path, problem: impl ToString) -> SnapshotError {
    SnapshotError::Corrupt { path: path.into(), problem: problem.to_string() }
}

fn cannot_read(path: &Path) -> impl Fn(std::io::Error) -> SnapshotError {
    let path = PathBuf::from(path);
    move |source| SnapshotError::Io { action: "read", path: path.clone(), source }
}
