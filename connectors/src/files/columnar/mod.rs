//! Parquet and Arrow IPC: files of columns, read batch by batch, and Parquet also in place.

mod convert;

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::ipc::reader::FileReader;
use counterfoil_model::{Table, TableError};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::{corrupt, io};
use crate::{BATCH_ROWS, ConnectorError, Scan};
use convert::{canonical, canonical_schema};

/// The columns of a table of files; all of them must have the same.
///
/// # Errors
/// For a file that can't be read, or whose columns differ from the first's.
pub(super) fn parquet_schema(parts: &[PathBuf]) -> Result<SchemaRef, ConnectorError> {
    common(parts, |path| Ok(metadata(path)?.schema().clone()))
}

/// The same for Arrow IPC.
pub(super) fn arrow_schema(parts: &[PathBuf]) -> Result<SchemaRef, ConnectorError> {
    common(parts, |path| Ok(ipc(path)?.schema()))
}

fn common(
    parts: &[PathBuf],
    schema: impl Fn(&Path) -> Result<SchemaRef, ConnectorError>,
) -> Result<SchemaRef, ConnectorError> {
    let mut first: Option<(&Path, SchemaRef)> = None;
    for path in parts {
        let own = canonical_schema(path, &schema(path)?)?;
        match &first {
            None => first = Some((path, own)),
            Some((place, wanted)) if *wanted != own => {
                return Err(corrupt(path, format!("its columns differ from those of {}", place.display())));
            }
            Some(_) => {}
        }
    }
    first.map(|(_, schema)| schema).ok_or_else(|| corrupt(Path::new(""), "there is no file"))
}

fn open(path: &Path) -> Result<File, ConnectorError> {
    File::open(path).map_err(|e| io(path, &e))
}

fn metadata(path: &Path) -> Result<ArrowReaderMetadata, ConnectorError> {
    let plain =
        ArrowReaderMetadata::load(&open(path)?, ArrowReaderOptions::new()).map_err(|e| corrupt(path, e))?;
    // Text is read as views right away: they point into the pages instead of copying from them.
    let as_view = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary => {
            field.as_ref().clone().with_data_type(DataType::BinaryView)
        }
        _ => field.as_ref().clone(),
    };
    let fields: Vec<Field> = plain.schema().fields().iter().map(as_view).collect();
    let schema = Schema::new_with_metadata(fields, plain.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(plain.metadata().clone(), options).map_err(|e| corrupt(path, e))
}

fn ipc(path: &Path) -> Result<FileReader<BufReader<File>>, ConnectorError> {
    FileReader::try_new_buffered(open(path)?, None).map_err(|e| corrupt(path, e))
}

/// The batches of one file.
enum Batches {
    Parquet(ParquetRecordBatchReader),
    Arrow(Box<FileReader<BufReader<File>>>),
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, arrow::error::ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Parquet(reader) => reader.next(),
            Self::Arrow(reader) => reader.next(),
        }
    }
}

/// A running read of files of columns, one after the other.
pub(super) struct ColumnarScan {
    schema: SchemaRef,
    parquet: bool,
    parts: VecDeque<PathBuf>,
    open: Option<(PathBuf, Batches)>,
    /// What is left of a batch that was longer than a scan may give.
    rest: Option<RecordBatch>,
}

impl ColumnarScan {
    /// Reads Parquet files.
    pub(super) fn parquet(parts: &[PathBuf]) -> Result<Self, ConnectorError> {
        Ok(Self::new(parquet_schema(parts)?, parts, true))
    }

    /// Reads Arrow IPC files.
    pub(super) fn arrow(parts: &[PathBuf]) -> Result<Self, ConnectorError> {
        Ok(Self::new(arrow_schema(parts)?, parts, false))
    }

    fn new(schema: SchemaRef, parts: &[PathBuf], parquet: bool) -> Self {
        Self { schema, parquet, parts: parts.iter().cloned().collect(), open: None, rest: None }
    }

    fn batches(&self, path: &Path) -> Result<Batches, ConnectorError> {
        if !self.parquet {
            return Ok(Batches::Arrow(Box::new(ipc(path)?)));
        }
        ParquetRecordBatchReaderBuilder::new_with_metadata(open(path)?, metadata(path)?)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map(Batches::Parquet)
            .map_err(|e| corrupt(path, e))
    }
}

impl Scan for ColumnarScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        loop {
            if let Some(rest) = self.rest.take() {
                let rows = rest.num_rows().min(BATCH_ROWS);
                let left = rest.num_rows() - rows;
                self.rest = (left > 0).then(|| rest.slice(rows, left));
                return Ok(Some(rest.slice(0, rows)));
            }
            if let Some((path, batches)) = &mut self.open {
                match batches.next() {
                    Some(Ok(batch)) if batch.num_rows() > 0 => self.rest = Some(canonical(path, &batch)?),
                    Some(Ok(_)) => {}
                    Some(Err(e)) => return Err(corrupt(path, e)),
                    None => self.open = None,
                }
                continue;
            }
            let Some(path) = self.parts.pop_front() else { return Ok(None) };
            let batches = self.batches(&path)?;
            self.open = Some((path, batches));
        }
    }
}

/// Larger row groups are read batch by batch into a snapshot, not at once where they lie.
const GROUP_ROWS: i64 = 2 << 20;
const GROUP_BYTES: i64 = 256 << 20;

/// Parquet files as a table whose chunks are their row groups.
#[derive(Debug)]
pub(super) struct ParquetTable {
    name: String,
    schema: SchemaRef,
    parts: Vec<(PathBuf, ArrowReaderMetadata)>,
    /// For each chunk, the file and the row group in it.
    chunks: Vec<(usize, usize)>,
}

impl ParquetTable {
    pub(super) fn open(name: &str, parts: &[PathBuf]) -> Result<Self, ConnectorError> {
        let schema = parquet_schema(parts)?;
        let parts: Vec<(PathBuf, ArrowReaderMetadata)> = parts
            .iter()
            .map(|path| Ok((path.clone(), metadata(path)?)))
            .collect::<Result<_, ConnectorError>>()?;
        let groups = |(part, (_, metadata)): (usize, &(PathBuf, ArrowReaderMetadata))| {
            (0..metadata.metadata().num_row_groups()).map(move |group| (part, group))
        };
        let chunks = parts.iter().enumerate().flat_map(groups).collect();
        Ok(Self { name: name.into(), schema, parts, chunks })
    }

    /// Whether every row group may be in memory as a whole.
    pub(super) fn has_small_groups(&self) -> bool {
        let groups = self.parts.iter().flat_map(|(_, metadata)| metadata.metadata().row_groups());
        groups.into_iter().all(|g| g.num_rows() <= GROUP_ROWS && g.total_byte_size() <= GROUP_BYTES)
    }

    fn group_rows(&self, chunk: usize) -> usize {
        let (part, group) = self.chunks[chunk];
        self.parts[part].1.metadata().row_group(group).num_rows() as usize
    }

    fn read_chunk(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, ConnectorError> {
        let (part, group) = self.chunks[chunk];
        let (path, metadata) = &self.parts[part];
        let failed = |e: &dyn std::fmt::Display| corrupt(path, e);
        let rows = self.group_rows(chunk);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(open(path)?, metadata.clone());
        let mut schema = self.schema.clone();
        if let Some(columns) = columns {
            builder = builder
                .with_projection(ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied()));
            schema = Arc::new(schema.project(columns).map_err(|e| failed(&e))?);
        }
        if schema.fields().is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            return RecordBatch::try_new_with_options(schema, vec![], &options).map_err(|e| failed(&e));
        }
        let reader = builder
            .with_row_groups(vec![group])
            .with_batch_size(rows.max(1))
            .build()
            .map_err(|e| failed(&e))?;
        let batches: Vec<RecordBatch> = reader
            .map(|batch| batch.map_err(|e| failed(&e)).and_then(|b| canonical(path, &b)))
            .collect::<Result<_, _>>()?;
        concat_batches(&schema, &batches).map_err(|e| failed(&e))
    }
}

impl Table for ParquetTable {
    fn name(&self) -> &str {
        &self.name
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> u64 {
        (0..self.chunks.len()).map(|chunk| self.group_rows(chunk) as u64).sum()
    }
    fn chunks(&self) -> usize {
        self.chunks.len()
    }
    fn read(&self, chunk: usize, columns: Option<&[usize]>) -> Result<RecordBatch, TableError> {
        self.read_chunk(chunk, columns)
            .map_err(|e| TableError { table: self.name.clone(), problem: e.to_string() })
    }
    fn digest(&self, _chunk: usize, _column: usize) -> Option<[u8; 32]> {
        None
    }
    fn rows_of(&self, chunk: usize) -> Option<u64> {
        Some(self.group_rows(chunk) as u64)
    }
}
