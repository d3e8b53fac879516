//! `differences.parquet`: every difference, streamed to disk as it is found.

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use counterfoil_model::{Difference, DifferenceSink};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::mask::Mask;
use crate::error::Error;

/// The columns of the file; all are text.
pub const COLUMNS: [&str; 8] = ["table", "key", "outcome", "column", "expected", "actual", "rule", "cause"];
/// Differences that are encoded at once, a column each core.
const BATCH: usize = 1 << 16;

fn schema() -> SchemaRef {
    let required = ["table", "key", "outcome"];
    let field = |name: &&str| Field::new(*name, DataType::Utf8, !required.contains(name));
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

/// The differences of one table, in a file of their own until the run is over.
pub struct Part {
    path: PathBuf,
    table: String,
    mask: Mask,
    rows: Vec<Difference>,
    writer: SerializedFileWriter<File>,
    columns: ArrowRowGroupWriterFactory,
    groups: usize,
}

impl Part {
    /// Begins the part of a table.
    ///
    /// # Errors
    /// Where the file can't be made.
    pub fn create(path: &Path, table: &str, mask: Mask) -> Result<Self, Error> {
        let (writer, columns) = writer(path)?;
        Ok(Self {
            path: path.into(),
            table: table.into(),
            mask,
            rows: Vec::new(),
            writer,
            columns,
            groups: 0,
        })
    }

    fn write_rows(&mut self) -> Result<(), String> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let written = self.write_group(&rows).map_err(|e| format!("{}: {e}", self.path.display()));
        self.groups += 1;
        written
    }

    fn write_group(&mut self, rows: &[Difference]) -> Result<(), ParquetError> {
        let schema = schema();
        let text = |column: &str| -> ArrayRef {
            Arc::new(rows.iter().map(|d| self.cell(d, column)).collect::<StringArray>())
        };
        let encoded: Vec<ArrowColumnChunk> = self
            .columns
            .create_column_writers(self.groups)?
            .into_par_iter()
            .zip(schema.fields()[..].par_iter())
            .map(|(mut writer, field)| {
                compute_leaves(field, &text(field.name()))?.iter().try_for_each(|leaf| writer.write(leaf))?;
                writer.close()
            })
            .collect::<Result<_, ParquetError>>()?;
        let mut group = self.writer.next_row_group()?;
        encoded.into_iter().try_for_each(|chunk| chunk.append_to_row_group(&mut group))?;
        group.close().map(drop)
    }

    fn cell<'a>(&'a self, difference: &'a Difference, column: &str) -> Option<Cow<'a, str>> {
        match column {
            "table" => Some(Cow::Borrowed(self.table.as_str())),
            "key" => Some(Cow::Borrowed(difference.key.as_str())),
            "outcome" => Some(Cow::Owned(difference.outcome.name())),
            "column" => difference.column.as_deref().map(Cow::Borrowed),
            "expected" => difference.expected.as_deref().map(Cow::Borrowed),
            "actual" => difference.actual.as_deref().map(Cow::Borrowed),
            "rule" => difference.rule.map(|r| Cow::Borrowed(r.id())),
            _ => None,
        }
    }

    /// Ends the part.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(mut self) -> Result<PathBuf, Error> {
        let failed = |problem: String| Error::other(format!("failed to write differences: {problem}"), None);
        self.write_rows().map_err(failed)?;
        self.writer.finish().map_err(|e| failed(e.to_string()))?;
        Ok(self.path)
    }
}

impl DifferenceSink for Part {
    fn push(&mut self, mut difference: Difference) -> Result<(), String> {
        self.mask.difference(&mut difference);
        self.rows.push(difference);
        if self.rows.len() >= BATCH { self.write_rows() } else { Ok(()) }
    }
}

/// Joins the parts, in order, into one file.
///
/// # Errors
/// Where a part can't be read or the disk refuses.
pub fn join(parts: &[PathBuf], place: &Path) -> Result<(), Error> {
    let failed =
        |e: &dyn std::fmt::Display| Error::other(format!("failed to write {}: {e}", place.display()), None);
    let (mut out, _) = writer(place)?;
    for part in parts {
        let file = File::open(part).map_err(|e| Error::io("read", part, e))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|e| failed(&e))?;
        for group in metadata.metadata().row_groups() {
            append(&mut out, &file, group).map_err(|e| failed(&e))?;
        }
        fs::remove_file(part).map_err(|e| Error::io("remove", part, e))?;
    }
    out.close().map_err(|e| failed(&e))?;
    Ok(())
}

/// Copies a row group as it is, encoded and compressed.
fn append(
    out: &mut SerializedFileWriter<File>,
    file: &File,
    group: &RowGroupMetaData,
) -> Result<(), ParquetError> {
    let mut copy = out.next_row_group()?;
    for column in group.columns() {
        let closed = ColumnCloseResult {
            bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
            rows_written: u64::try_from(group.num_rows()).unwrap_or_default(),
            metadata: column.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        copy.append_column(file, closed)?;
    }
    copy.close().map(drop)
}

fn writer(path: &Path) -> Result<(SerializedFileWriter<File>, ArrowRowGroupWriterFactory), Error> {
    let file = File::create(path).map_err(|e| Error::io("create", path, e))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Nearly every one of them is another.
        .set_column_dictionary_enabled("key".into(), false)
        .set_column_dictionary_enabled("expected".into(), false)
        .set_column_dictionary_enabled("actual".into(), false)
        .set_created_by("counterfoil".into())
        .build();
    ArrowWriter::try_new(file, schema(), Some(properties))
        .and_then(ArrowWriter::into_serialized_writer)
        .map_err(|e| Error::other(format!("failed to write {}: {e}", path.display()), None))
}
