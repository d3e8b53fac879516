//! CSV (RFC 4180): a header line, and every value as text; `as:` in the plan reads it as something else. An empty
//! field is null: CSV has no way to tell it from empty text.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder};
use arrow::datatypes::{Schema, SchemaRef};
use counterfoil_model::Type;

use super::{corrupt, io};
use crate::{BATCH_ROWS, ConnectorError, Scan};

/// The columns of CSV files, which must all have the same header.
pub(super) fn schema(parts: &[PathBuf]) -> Result<SchemaRef, ConnectorError> {
    let mut header: Option<Vec<String>> = None;
    for path in parts {
        let own: Vec<String> =
            open(path)?.headers().map_err(|e| corrupt(path, e))?.iter().map(str::to_owned).collect();
        if header.as_ref().is_some_and(|first| *first != own) {
            return Err(corrupt(path, "its header differs from the first file's"));
        }
        let twice = own.iter().enumerate().find(|(i, name)| own[..*i].contains(name));
        if let Some((_, name)) = twice {
            return Err(corrupt(path, format!("the header names column '{name}' twice")));
        }
        header = Some(own);
    }
    let fields: Vec<_> = header.unwrap_or_default().iter().map(|name| Type::Text.field(name)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

fn open(path: &Path) -> Result<csv::Reader<File>, ConnectorError> {
    let file = File::open(path).map_err(|e| io(path, &e))?;
    Ok(csv::ReaderBuilder::new().flexible(false).buffer_capacity(1 << 18).from_reader(file))
}

/// A running read of CSV files, one after the other.
pub(super) struct CsvScan {
    schema: SchemaRef,
    parts: VecDeque<PathBuf>,
    open: Option<(PathBuf, csv::Reader<File>)>,
    record: csv::StringRecord,
}

impl CsvScan {
    pub(super) fn new(parts: &[PathBuf]) -> Result<Self, ConnectorError> {
        let record = csv::StringRecord::new();
        Ok(Self { schema: schema(parts)?, parts: parts.iter().cloned().collect(), open: None, record })
    }
}

impl Scan for CsvScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        loop {
            let Some((path, reader)) = &mut self.open else {
                let Some(path) = self.parts.pop_front() else { return Ok(None) };
                let reader = open(&path)?;
                self.open = Some((path, reader));
                continue;
            };
            let mut columns: Vec<StringViewBuilder> =
                self.schema.fields().iter().map(|_| StringViewBuilder::with_capacity(BATCH_ROWS)).collect();
            let mut rows = 0;
            // The error names the line, and how many fields were found and expected.
            while rows < BATCH_ROWS && reader.read_record(&mut self.record).map_err(|e| corrupt(path, e))? {
                for (builder, field) in columns.iter_mut().zip(self.record.iter()) {
                    builder.append_option((!field.is_empty()).then_some(field));
                }
                rows += 1;
            }
            if rows == 0 {
                self.open = None;
                continue;
            }
            let arrays: Vec<ArrayRef> =
                columns.into_iter().map(|mut b| Arc::new(b.finish()) as ArrayRef).collect();
            let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| corrupt(path, e))?;
            return Ok(Some(batch));
        }
    }
}
