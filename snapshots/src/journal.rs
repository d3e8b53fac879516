//! What of a table is finished, written down line by line as it is, so that a snapshot whose process was killed goes on
//! from there.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SnapshotError;
use crate::manifest::{ChunkManifest, TableManifest};

/// The folder in an unfinished snapshot where journals and sorted runs are; gone once it is finished.
pub(crate) const UNFINISHED: &str = "unfinished";

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    /// Always the first.
    Begin(Header),
    /// A chunk is in the table's file.
    Chunk(ChunkManifest),
    /// All runs that there are, which hold the first rows of the source. Before [`Entry::Sorted`] chunks that were
    /// written before are among them.
    Runs { rows: u64, runs: Vec<RunFile> },
    /// All rows are in runs: the chunks that follow come from merging them.
    Sorted,
    /// All rows were sorted in memory: the chunks that follow are of no use without it.
    InMemory,
    /// The table is finished.
    Done(TableManifest),
}

/// What makes a journal one of the same table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) table: String,
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) key: Vec<String>,
    pub(crate) file: String,
}

/// A sorted run on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// From the journal's folder on.
    pub(crate) path: PathBuf,
    pub(crate) blake3: String,
    /// Whether it is a table's file that turned out not to be in order.
    pub(crate) stored: bool,
    pub(crate) rows: u64,
}

/// What an earlier process did.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) chunks: Vec<ChunkManifest>,
    /// Rows of the source that are in runs.
    pub(crate) rows: u64,
    pub(crate) runs: Vec<RunFile>,
    pub(crate) sorted: bool,
    pub(crate) done: Option<TableManifest>,
}

impl Past {
    /// What the journal of a table says; nothing where it is one of another table. A line that was cut off, and what
    /// follows it, was never written.
    pub(crate) fn read(path: &Path, header: &Header) -> Self {
        let mut entries = entries(path).into_iter();
        if !matches!(entries.next(), Some(Entry::Begin(begun)) if begun == *header) {
            return Self::default();
        }
        let mut past = Self::default();
        for entry in entries {
            match entry {
                Entry::Begin(_) | Entry::InMemory => return Self::default(),
                Entry::Chunk(chunk) => past.chunks.push(chunk),
                Entry::Runs { rows, runs } => (past.rows, past.runs, past.chunks) = (rows, runs, Vec::new()),
                Entry::Sorted => past.sorted = true,
                Entry::Done(table) => past.done = Some(table),
            }
        }
        past
    }
}

/// The columns of a table that was begun.
pub(crate) fn columns_begun(path: &Path) -> Option<Vec<(String, String)>> {
    match entries(path).into_iter().next() {
        Some(Entry::Begin(header)) => Some(header.columns),
        _ => None,
    }
}

fn entries(path: &Path) -> Vec<Entry> {
    let text = fs::read(path).unwrap_or_default();
    let lines = text.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.map_while(|line| serde_json::from_slice(line).ok()).collect()
}

/// The journal of a table that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Begins a journal with what is kept of an earlier one. It takes that one's place whole.
    pub(crate) fn begin(path: &Path, header: &Header, past: &Past) -> Result<Self, SnapshotError> {
        let temporary = path.with_extension("tmp");
        let io = |source| SnapshotError::Io { action: "write", path: temporary.clone(), source };
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&temporary).map_err(io)?;
        let mut journal = Self { path: path.into(), file };
        journal.push(&Entry::Begin(header.clone()))?;
        if !past.runs.is_empty() {
            journal.runs(past.rows, past.runs.clone())?;
        }
        if past.sorted {
            journal.sorted()?;
        }
        past.chunks.iter().try_for_each(|chunk| journal.chunk(chunk))?;
        fs::rename(&temporary, path).map_err(io)?;
        Ok(journal)
    }

    /// The folder it is in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    fn push(&mut self, entry: &Entry) -> Result<(), SnapshotError> {
        let io = |source| SnapshotError::Io { action: "write", path: self.path.clone(), source };
        let mut line = serde_json::to_vec(entry).map_err(|e| io(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)
    }

    pub(crate) fn chunk(&mut self, chunk: &ChunkManifest) -> Result<(), SnapshotError> {
        self.push(&Entry::Chunk(chunk.clone()))
    }

    pub(crate) fn runs(&mut self, rows: u64, runs: Vec<RunFile>) -> Result<(), SnapshotError> {
        self.push(&Entry::Runs { rows, runs })
    }

    pub(crate) fn sorted(&mut self) -> Result<(), SnapshotError> {
        self.push(&Entry::Sorted)
    }

    pub(crate) fn in_memory(&mut self) -> Result<(), SnapshotError> {
        self.push(&Entry::InMemory)
    }

    pub(crate) fn done(&mut self, table: &TableManifest) -> Result<(), SnapshotError> {
        self.push(&Entry::Done(table.clone()))
    }
}
