//! What a run or snapshot is of, told by the state of its files: one that was killed is gone on with where it is the
//! same, and none ends well under which it changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use counterfoil_connectors::Connector;

use super::work::Purpose;
use crate::error::Error;

/// The purpose of a run or snapshot whose sources are nothing but files; none where one is more than that, since then
/// nobody can tell whether it changed meanwhile.
pub fn purpose(
    what: &str,
    place: &Path,
    asked: &str,
    connections: &BTreeMap<String, Box<dyn Connector>>,
) -> Option<Purpose> {
    let mut hasher = Hasher::new();
    let mut add = |part: &str| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    // Another build may order or derive otherwise.
    add(&state(&std::env::current_exe().ok()?)?);
    add(asked);
    for (name, connector) in connections {
        add(name);
        add(connector.url());
        for path in connector.source_files()? {
            add(&path.display().to_string());
            add(&state(&path)?);
        }
    }
    // Nothing was committed between the connections' view and the states that stand for it.
    if connections.values().any(|c| c.source_files().is_none()) {
        return None;
    }
    let place = std::path::absolute(place).ok()?;
    let digest = hasher.finalize().to_hex().to_string();
    Some(Purpose { what: format!("{what} {}", place.display()), digest })
}

/// The files that are read as they are, each with its state.
pub struct Watched(Vec<(String, PathBuf, Option<String>)>);

impl Watched {
    /// The files of all connections that don't hold still by themselves.
    pub fn of(connections: &BTreeMap<String, Box<dyn Connector>>) -> Self {
        let moving = connections.iter().filter(|(_, c)| !c.holds_still());
        let files = moving.flat_map(|(name, c)| {
            c.source_files().unwrap_or_default().into_iter().map(|path| (name.clone(), path))
        });
        let watched = |(name, path): (String, PathBuf)| {
            let before = state(&path);
            (name, path, before)
        };
        Self(files.map(watched).collect())
    }

    /// Whether all files are still what they were.
    ///
    /// # Errors
    /// The first that isn't: what was read of it may be of no one moment.
    pub fn are_unchanged(&self) -> Result<(), Error> {
        let changed = self.0.iter().find(|(_, path, before)| state(path) != *before);
        changed.map_or(Ok(()), |(connection, path, _)| {
            let message = format!("connection '{connection}': {} changed while it was read", path.display());
            Err(Error::other(message, "compare a copy, or run again when nobody writes to it".to_owned()))
        })
    }
}

/// What changes when a file does: its size, its times, and which file it is. SQLite leaves an empty log behind or none:
/// they are the same.
fn state(path: &Path) -> Option<String> {
    let metadata = match path.metadata() {
        Ok(metadata) if metadata.len() > 0 => metadata,
        Ok(_) => return Some(String::new()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Some(String::new()),
        Err(_) => return None,
    };
    let modified = metadata.modified().ok()?;
    #[cfg(unix)]
    let which = {
        use std::os::unix::fs::MetadataExt;
        (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let which = ();
    Some(format!("{} {modified:?} {which:?}", metadata.len()))
}
