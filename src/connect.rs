//! Connections by URL: databases and files through the connectors, snapshots through the store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use counterfoil_connectors::{Connector, ConnectorError, ErrorKind, Identity, Scan};
use counterfoil_model::names::suggestion;
use counterfoil_model::{Table, TableFacts};
use counterfoil_snapshots::{Snapshot, SnapshotError, SnapshotTable};

/// Opens a connection: `snapshot:DIR`, or whatever the connectors know.
///
/// # Errors
/// As [`counterfoil_connectors::open`].
pub fn open(url: &str, base: &Path) -> Result<Box<dyn Connector>, ConnectorError> {
    match url.strip_prefix("snapshot:") {
        Some(path) => Ok(Box::new(StoredSnapshot::open(&base.join(path), url)?)),
        None => counterfoil_connectors::open(url, base),
    }
}

/// A stored snapshot as a connection.
struct StoredSnapshot {
    url: String,
    folder: PathBuf,
    snapshot: Snapshot,
}

impl StoredSnapshot {
    fn open(path: &Path, url: &str) -> Result<Self, ConnectorError> {
        let snapshot = Snapshot::open(path).map_err(|e| translated(&e, path))?;
        Ok(Self { url: url.into(), folder: path.into(), snapshot })
    }

    fn table(&self, name: &str) -> Result<SnapshotTable, ConnectorError> {
        let found = self.snapshot.table(name).map_err(|e| translated(&e, Path::new(&self.url)))?;
        let table = found.ok_or_else(|| {
            let known = self.snapshot.manifest().tables.iter().map(|t| t.name.as_str());
            let message = format!("no table '{name}'{}", suggestion(name, known));
            ConnectorError::new(ErrorKind::NotFound, &self.url, message)
        })?;
        // A snapshot vouches for its values: what was altered since is refused where it is read, not compared.
        Ok(table.verifying())
    }
}

fn translated(error: &SnapshotError, path: &Path) -> ConnectorError {
    let kind = match error {
        SnapshotError::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::NoPermission,
            _ => ErrorKind::Storage,
        },
        _ => ErrorKind::Corrupt,
    };
    ConnectorError::new(kind, path.display().to_string(), error.to_string())
}

impl Connector for StoredSnapshot {
    fn url(&self) -> &str {
        &self.url
    }

    fn consistency(&self) -> String {
        let manifest = self.snapshot.manifest();
        format!("a snapshot taken {} ({})", manifest.taken_at, manifest.consistency)
    }

    fn tables(&self) -> Result<Vec<String>, ConnectorError> {
        Ok(self.snapshot.manifest().tables.iter().map(|t| t.name.clone()).collect())
    }

    fn facts(&self, table: &str) -> Result<TableFacts, ConnectorError> {
        Ok(self.table(table)?.facts().clone())
    }

    fn holds_still(&self) -> bool {
        // Whatever is read of it is held against its digests.
        true
    }

    fn source_files(&self) -> Option<Vec<PathBuf>> {
        let tables = self.snapshot.manifest().tables.iter().map(|t| self.folder.join(&t.file));
        Some(std::iter::once(self.folder.join("manifest.json")).chain(tables).collect())
    }

    fn scan(&self, table: &str, _mixed: &BTreeSet<String>) -> Result<Box<dyn Scan + '_>, ConnectorError> {
        Ok(Box::new(StoredScan { table: self.table(table)?, next: 0 }))
    }

    fn in_place(&self, table: &str) -> Result<Option<Arc<dyn Table>>, ConnectorError> {
        Ok(Some(Arc::new(self.table(table)?)))
    }

    fn identity(&self, _tables: &[&str]) -> Result<Identity, ConnectorError> {
        let manifest = self.snapshot.manifest();
        Ok(Identity {
            taken_at: Some(manifest.taken_at.clone()),
            root: Some(manifest.root.clone()),
            digests: Vec::new(),
        })
    }
}

struct StoredScan {
    table: SnapshotTable,
    next: usize,
}

impl Scan for StoredScan {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        if self.next >= self.table.chunks() {
            return Ok(None);
        }
        let batch = self.table.read(self.next, None);
        self.next += 1;
        batch.map(Some).map_err(|e| ConnectorError::new(ErrorKind::Corrupt, self.table.name(), e.to_string()))
    }
}
