//! What a run sees of a connection: a snapshot that it took, one that was kept, or files that are compared where they
//! lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use counterfoil_connectors::Connector;
use counterfoil_model::{Table, TableFacts};
use counterfoil_snapshots::Snapshot;

use super::log::now;
use super::take::Wanted;
use crate::error::Error;

/// All tables of a connection that the plan uses.
pub struct View {
    /// RFC 3339, UTC.
    pub taken_at: String,
    /// How consistent it is.
    pub consistency: String,
    /// The Merkle root over all tables; `None` where nothing was digested.
    pub root: Option<String>,
    tables: BTreeMap<String, Seen>,
}

/// One table.
#[derive(Clone)]
pub struct Seen {
    /// Its rows.
    pub table: Arc<dyn Table>,
    /// What its storage declares.
    pub facts: TableFacts,
}

impl View {
    /// The view of a snapshot that this run took.
    ///
    /// # Errors
    /// Where a table's file is missing or damaged.
    pub fn of_snapshot(snapshot: &Snapshot) -> Result<Self, Error> {
        let manifest = snapshot.manifest();
        let mut tables = BTreeMap::new();
        for table in &manifest.tables {
            if let Some(open) = snapshot.table(&table.name)? {
                let facts = open.facts().clone();
                tables.insert(table.name.clone(), Seen { table: Arc::new(open), facts });
            }
        }
        Ok(Self {
            taken_at: manifest.taken_at.clone(),
            consistency: manifest.consistency.clone(),
            root: Some(manifest.root.clone()),
            tables,
        })
    }

    /// The view of a connection whose tables can be read where they are; `None` where one can't.
    ///
    /// # Errors
    /// Where the connection can't be read.
    pub fn in_place(name: &str, connector: &dyn Connector, wanted: &[Wanted]) -> Result<Option<Self>, Error> {
        let failed = |e| Error::connection(name, e);
        let taken_at = now();
        let mut tables = BTreeMap::new();
        for wanted in wanted {
            let Some(table) = connector.in_place(&wanted.table).map_err(failed)? else { return Ok(None) };
            let facts = connector.facts(&wanted.table).map_err(failed)?;
            tables.insert(wanted.table.clone(), Seen { table, facts });
        }
        let names: Vec<&str> = tables.keys().map(String::as_str).collect();
        let identity = connector.identity(&names).map_err(failed)?;
        let consistency = match identity.digests.as_slice() {
            [] => connector.consistency(),
            digests => {
                let digests: Vec<String> = digests.iter().map(|(file, d)| format!("{file} {d}")).collect();
                format!("{}, compared in place; BLAKE3: {}", connector.consistency(), digests.join(", "))
            }
        };
        let taken_at = identity.taken_at.unwrap_or(taken_at);
        Ok(Some(Self { taken_at, consistency, root: identity.root, tables }))
    }

    /// A table.
    pub fn table(&self, name: &str) -> Option<&Seen> {
        self.tables.get(name)
    }

    /// All tables by name.
    pub fn tables(&self) -> &BTreeMap<String, Seen> {
        &self.tables
    }
}
