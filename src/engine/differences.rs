//! `differences.parquet`: every difference, streamed to disk as it is found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use counterfoil_model::{Difference, DifferenceSink};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::mask::Mask;
use crate::error::Error;

/// The columns of the file; all are text.
pub const COLUMNS: [&str; 8] = ["table", "key", "outcome", "column", "expected", "actual", "rule", "cause"];
const BATCH: usize = 8_192;

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
    writer: ArrowWriter<File>,
}

impl Part {
    /// Begins the part of a table.
    ///
    /// # Errors
    /// Where the file can't be made.
    pub fn create(path: &Path, table: &str, mask: Mask) -> Result<Self, Error> {
        Ok(Self { path: path.into(), table: table.into(), mask, rows: Vec::new(), writer: writer(path)? })
    }

    fn write_rows(&mut self) -> Result<(), String> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let text = |pick: &dyn Fn(&Difference) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(pick).collect::<StringArray>())
        };
        let columns = vec![
            text(&|_| Some(self.table.clone())),
            text(&|d| Some(d.key.clone())),
            text(&|d| Some(d.outcome.name())),
            text(&|d| d.column.clone()),
            text(&|d| d.expected.clone()),
            text(&|d| d.actual.clone()),
            text(&|d| d.rule.map(|r| r.id().to_owned())),
            text(&|_| None),
        ];
        let batch = RecordBatch::try_new(schema(), columns).map_err(|e| e.to_string())?;
        self.writer.write(&batch).map_err(|e| format!("{}: {e}", self.path.display()))
    }

    /// Ends the part.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(mut self) -> Result<PathBuf, Error> {
        let failed = |problem: String| Error::other(format!("failed to write differences: {problem}"), None);
        self.write_rows().map_err(failed)?;
        self.writer.close().map_err(|e| failed(e.to_string()))?;
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
    let mut out = writer(place)?;
    for part in parts {
        let file = File::open(part).map_err(|e| Error::io("read", part, e))?;
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build()).map_err(|e| failed(&e))?;
        for batch in reader {
            out.write(&batch.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
        }
        fs::remove_file(part).map_err(|e| Error::io("remove", part, e))?;
    }
    out.close().map_err(|e| failed(&e))?;
    Ok(())
}

fn writer(path: &Path) -> Result<ArrowWriter<File>, Error> {
    let file = File::create(path).map_err(|e| Error::io("create", path, e))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("counterfoil".into())
        .build();
    ArrowWriter::try_new(file, schema(), Some(properties))
        .map_err(|e| Error::other(format!("failed to write {}: {e}", path.display()), None))
}
