//! Writing a snapshot: to a temporary name, and renamed whole.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_model::{KeySpec, TableFacts};

use crate::SnapshotError;
use crate::digest::merkle_root;
use crate::journal::{self, Past, UNFINISHED};
use crate::manifest::{FORMAT, Manifest, TableManifest};
use crate::memory::MemoryBudget;
use crate::storage::{Storage, digest_of};
use crate::table_file::header;
use crate::table_writer::{Place, Writing};

/// Writes tables into a folder; [`SnapshotWriter::finish`] writes the manifest last, so a folder without one is
/// no snapshot.
#[derive(Debug)]
pub struct SnapshotWriter {
    folder: PathBuf,
    budget: MemoryBudget,
    storage: Storage,
    resumed: bool,
}

/// What is known of a table before its rows are.
#[derive(Clone, Debug)]
pub struct NewTable<'a> {
    /// Makes the file's name unique and stable.
    pub number: usize,
    /// The table's name.
    pub name: &'a str,
    /// Canonical columns.
    pub schema: SchemaRef,
    /// The key by which it is ordered; `None`: by the whole row, as a bag.
    pub key: Option<&'a KeySpec>,
    /// What the storage declares.
    pub facts: TableFacts,
}

impl SnapshotWriter {
    /// Begins a snapshot in a new folder. Tables that don't come in key order are sorted within the budget, and on disk
    /// beyond it.
    ///
    /// # Errors
    /// Where the folder exists with something in it, or can't be made.
    pub fn create(folder: &Path, budget: &MemoryBudget) -> Result<Self, SnapshotError> {
        let tables = folder.join("tables");
        if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            let problem = "the folder is not empty; a snapshot is never written over another".into();
            return Err(SnapshotError::Corrupt { path: folder.into(), problem });
        }
        // Not its parents: where somebody removed those, the snapshot isn't wanted any more.
        let unfinished = folder.join(UNFINISHED);
        for path in [folder, tables.as_path(), unfinished.as_path()].into_iter().filter(|p| !p.is_dir()) {
            fs::create_dir(path).map_err(|source| SnapshotError::Io {
                action: "create",
                path: path.into(),
                source,
            })?;
        }
        Ok(Self {
            folder: folder.into(),
            budget: budget.clone(),
            storage: Storage::default(),
            resumed: false,
        })
    }

    /// Chooses the format of the tables' files.
    #[must_use]
    pub fn storage(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// Goes on with a snapshot that a process which was killed left in this folder, or begins a new one. Whoever calls
    /// this vouches that the source is the same as then, and its rows come in the same order.
    ///
    /// # Errors
    /// Where the folder can't be made.
    pub fn resume(folder: &Path, budget: &MemoryBudget) -> Result<Self, SnapshotError> {
        if folder.join("manifest.json").exists() || !folder.join(UNFINISHED).is_dir() {
            let _ = fs::remove_dir_all(folder);
            return Self::create(folder, budget);
        }
        Ok(Self { folder: folder.into(), budget: budget.clone(), storage: Storage::default(), resumed: true })
    }

    /// The columns, with their canonical types, of a table that was begun and not finished.
    pub fn columns_begun(&self, number: usize) -> Option<Vec<(String, String)>> {
        journal::columns_begun(&self.journal_of(number))
    }

    fn journal_of(&self, number: usize) -> PathBuf {
        self.folder.join(UNFINISHED).join(format!("{number:04}.journal"))
    }

    /// Orders, cuts, digests and writes one table, batch by batch. `rows` gives its rows from the one of that number
    /// on: all, unless a part was finished by an earlier process.
    ///
    /// # Errors
    /// Where a column isn't canonical or the disk refuses, and what the rows themselves give.
    pub fn write_table<E, I>(
        &self,
        table: NewTable<'_>,
        rows: impl FnOnce(u64) -> I,
    ) -> Result<TableManifest, E>
    where
        E: From<SnapshotError> + Send,
        I: Iterator<Item = Result<RecordBatch, E>> + Send,
    {
        let header = header(&table, self.storage)?;
        let path = self.journal_of(table.number);
        let past = Past::read(&path, &header);
        if let Some(done) = past.done.as_ref().filter(|done| done.file_is_whole(&self.folder)) {
            return Ok(done.clone());
        }
        let place = Place { folder: &self.folder, budget: &self.budget, storage: self.storage };
        let mut writing = Writing::begin(&place, &table, &path, &header, past)?;
        if let Some(next) = writing.next_row() {
            writing.take_all(&table, rows(next))?;
        }
        Ok(writing.finish(table)?)
    }

    /// Writes the manifest: now the folder is a snapshot.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(
        self,
        mut tables: Vec<TableManifest>,
        url: &str,
        taken_at: &str,
        consistency: &str,
        version: &str,
    ) -> Result<Manifest, SnapshotError> {
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let mut manifest = Manifest {
            format: FORMAT.into(),
            url: url.into(),
            taken_at: taken_at.into(),
            consistency: if self.resumed {
                format!("{consistency}; after an interruption gone on with, from files that hadn't changed")
            } else {
                consistency.into()
            },
            version: version.into(),
            tables,
            root: String::new(),
        };
        manifest.root = hex(&manifest.computed_root());
        let path = self.folder.join("manifest.json");
        let temporary = self.folder.join("manifest.json.tmp");
        let io = |source| SnapshotError::Io { action: "write", path: path.clone(), source };
        let text = serde_json::to_string_pretty(&manifest).map_err(|e| io(e.into()))?;
        fs::write(&temporary, text + "\n").map_err(io)?;
        fs::rename(&temporary, &path).map_err(io)?;
        let unfinished = self.folder.join(UNFINISHED);
        let io = |source| SnapshotError::Io { action: "remove", path: unfinished.clone(), source };
        fs::remove_dir_all(&unfinished).map_err(io)?;
        Ok(manifest)
    }
}

impl TableManifest {
    /// Whether the table's file has the bytes that were written.
    pub(crate) fn file_is_whole(&self, folder: &Path) -> bool {
        digest_of(&folder.join(&self.file)).is_ok_and(|digest| digest.to_hex().as_str() == self.blake3)
    }

    /// The root that the digests give: over the columns in order, each the root over its chunks.
    pub(crate) fn computed_root(&self) -> [u8; 32] {
        let columns: Vec<[u8; 32]> = (0..self.columns.len())
            .map(|c| merkle_root(self.chunks.iter().map(|chunk| ("", unhex(&chunk.digests[c])))))
            .collect();
        merkle_root(self.columns.iter().map(|(name, _)| name.as_str()).zip(columns))
    }
}

impl Manifest {
    /// The root over the tables.
    pub(crate) fn computed_root(&self) -> [u8; 32] {
        merkle_root(self.tables.iter().map(|t| (t.name.as_str(), unhex(&t.root))))
    }
}

/// Hexadecimal digits.
pub(crate) fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}

/// The digest of hexadecimal digits; zeros where they are none (then no digest equals it).
pub(crate) fn unhex(text: &str) -> [u8; 32] {
    blake3::Hash::from_hex(text).map_or([0; 32], |h| *h.as_bytes())
}
