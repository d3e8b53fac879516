//! Writing a snapshot: to a temporary name, and renamed whole.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_model::{KeySpec, TableFacts};

use crate::SnapshotError;
use crate::digest::merkle_root;
use crate::manifest::{FORMAT, Manifest, TableManifest};
use crate::memory::MemoryBudget;
use crate::sort::{Block, Order, PULL_ROWS, Sorter};
use crate::storage::Storage;
use crate::table_file::TableFile;

/// Writes tables into a folder; [`SnapshotWriter::finish`] writes the manifest last, so a folder without one is
/// no snapshot.
#[derive(Debug)]
pub struct SnapshotWriter {
    folder: PathBuf,
    budget: MemoryBudget,
    storage: Storage,
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
        for path in [folder, tables.as_path()].into_iter().filter(|p| !p.is_dir()) {
            fs::create_dir(path).map_err(|source| SnapshotError::Io {
                action: "create",
                path: path.into(),
                source,
            })?;
        }
        Ok(Self { folder: folder.into(), budget: budget.clone(), storage: Storage::default() })
    }

    /// Chooses the format of the tables' files.
    #[must_use]
    pub fn storage(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// Orders, cuts, digests and writes one table, batch by batch.
    ///
    /// # Errors
    /// Where a column isn't canonical or the disk refuses, and what the rows themselves give.
    pub fn write_table<E: From<SnapshotError> + Send>(
        &self,
        table: NewTable<'_>,
        rows: impl Iterator<Item = Result<RecordBatch, E>> + Send,
    ) -> Result<TableManifest, E> {
        let order = Order::new(&table.schema, table.key);
        let scratch = self.folder.join(format!("sort-{:04}", table.number));
        let mut sorter = Sorter::new(order.clone(), table.schema.clone(), &scratch, &self.budget);
        let mut file = TableFile::create(&self.folder, &table, self.storage)?;
        let mut stage = Stage::InOrder;
        let mut last: Vec<u8> = Vec::new();
        let mut rows = rows;
        loop {
            // What is complete goes to disk while the next rows come.
            let (next, written) = rayon::join(
                || pull(&mut rows, &order),
                || file.write_complete().and_then(|()| sorter.spill()),
            );
            written?;
            if next.is_empty() {
                break;
            }
            for block in next {
                let block = block?;
                let (_, keys) = &block;
                let follows = last.is_empty() || keys.first().is_some_and(|first| last.as_slice() < first);
                let in_order = follows && keys.ascend_strictly();
                last.clear();
                last.extend_from_slice(keys.last().unwrap_or_default());
                stage = match stage {
                    Stage::InOrder
                        if in_order && sorter.held() < HELD_IN_ORDER && sorter.has_room(&block) =>
                    {
                        sorter.hold(block);
                        Stage::InOrder
                    }
                    Stage::InOrder if in_order => {
                        sorter.take_held().iter().try_for_each(|held| file.push(held))?;
                        file.push(&block)?;
                        Stage::Streaming
                    }
                    Stage::Streaming if in_order => {
                        file.push(&block)?;
                        Stage::Streaming
                    }
                    Stage::Streaming => {
                        // What was written so far is in order: it becomes a run among others.
                        sorter.add_run(file.into_run()?);
                        file = TableFile::create(&self.folder, &table, self.storage)?;
                        sorter.sort(block)?;
                        Stage::Unordered
                    }
                    Stage::InOrder | Stage::Unordered => {
                        sorter.sort(block)?;
                        Stage::Unordered
                    }
                };
            }
        }
        match stage {
            Stage::Streaming => {}
            Stage::InOrder => sorter.take_held().iter().try_for_each(|held| file.push(held))?,
            Stage::Unordered => {
                let mut ordered = sorter.finish()?;
                loop {
                    let (next, written) = rayon::join(|| ordered.pull(), || file.write_complete());
                    written?;
                    let next = next?;
                    if next.is_empty() {
                        break;
                    }
                    next.iter().try_for_each(|block| file.push(block))?;
                }
            }
        }
        if scratch.exists() {
            let io = |source| SnapshotError::Io { action: "remove", path: scratch.clone(), source };
            fs::remove_dir_all(&scratch).map_err(io)?;
        }
        Ok(file.finish(table)?)
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
            consistency: consistency.into(),
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
        Ok(manifest)
    }
}

/// So many bytes in order, and the rest probably is too: from there on rows are written as they come.
const HELD_IN_ORDER: usize = 32 << 20;

/// How the rows of a table came so far.
enum Stage {
    /// In order, and held in memory.
    InOrder,
    /// In order for long: they are written as they come.
    Streaming,
    /// Not in order: they are sorted.
    Unordered,
}

/// The next rows with their keys, about as many as a chunk has; none at the end.
fn pull<E>(rows: &mut impl Iterator<Item = Result<RecordBatch, E>>, order: &Order) -> Vec<Result<Block, E>> {
    let mut blocks = Vec::new();
    let mut count = 0;
    while count < PULL_ROWS {
        match rows.next() {
            None => break,
            Some(Ok(batch)) if batch.num_rows() == 0 => {}
            Some(Ok(batch)) => {
                count += batch.num_rows();
                let keys = order.keys(&batch);
                blocks.push(Ok((batch, keys)));
            }
            Some(Err(error)) => {
                blocks.push(Err(error));
                break;
            }
        }
    }
    blocks
}

impl TableManifest {
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
