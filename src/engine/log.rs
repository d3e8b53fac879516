//! `log.jsonl`: what happened when, one JSON object a line. No secrets, no values of cells.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::error::Error;

/// The log of a run.
#[derive(Debug)]
pub struct Log {
    out: Mutex<BufWriter<File>>,
}

impl Log {
    /// Begins a log.
    ///
    /// # Errors
    /// Where the file can't be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { out: Mutex::new(BufWriter::new(file)) })
    }

    /// Writes one event with its fields. A log that can't be written doesn't stop a run: the report will.
    pub fn event(&self, event: &str, fields: Value) {
        let mut line = Map::from_iter([("at".into(), json!(now())), ("event".into(), json!(event))]);
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(out, "{}", Value::Object(line));
        let _ = out.flush();
    }
}

/// The time, RFC 3339 in UTC, to the millisecond.
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond).unwrap_or(now).to_string()
}
