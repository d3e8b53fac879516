//! CSV (RFC 4180): a header line, and every value as text; `as:` in the plan reads it as something else. An empty
//! field is null: CSV has no way to tell it from empty text.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder};
use arrow::datatypes::Schema;
use counterfoil_model::Type;

use super::{Read, corrupt, io};
use crate::ConnectorError;

/// Reads CSV files with the same header as one table.
pub(super) fn read(parts: &[PathBuf]) -> Result<Read, ConnectorError> {
    let mut header: Option<Vec<String>> = None;
    let mut columns: Vec<StringViewBuilder> = Vec::new();
    for path in parts {
        let file = File::open(path).map_err(|e| io(path, &e))?;
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(file);
        let own: Vec<String> =
            reader.headers().map_err(|e| corrupt(path, e))?.iter().map(str::to_owned).collect();
        match &header {
            Some(first) if *first != own => {
                return Err(corrupt(path, "its header differs from the first file's"));
            }
            Some(_) => {}
            None => {
                let twice = own.iter().enumerate().find(|(i, name)| own[..*i].contains(name));
                if let Some((_, name)) = twice {
                    return Err(corrupt(path, format!("the header names column '{name}' twice")));
                }
                columns = own.iter().map(|_| StringViewBuilder::new()).collect();
                header = Some(own);
            }
        }
        for record in reader.records() {
            // The error names the line, and how many fields were found and expected.
            let record = record.map_err(|e| corrupt(path, e))?;
            for (builder, field) in columns.iter_mut().zip(record.iter()) {
                builder.append_option((!field.is_empty()).then_some(field));
            }
        }
    }
    let fields: Vec<_> = header.unwrap_or_default().iter().map(|name| Type::Text.field(name)).collect();
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|mut b| Arc::new(b.finish()) as ArrayRef).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
    let batch = batch.map_err(|e| corrupt(parts.first().map(PathBuf::as_path).unwrap_or("".as_ref()), e))?;
    Ok(Read { batch, missing: BTreeMap::new() })
}
