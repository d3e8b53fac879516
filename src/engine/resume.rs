//! What a run or snapshot is of: one that was killed is gone on with where this is the same.

use std::collections::BTreeMap;
use std::path::Path;

use blake3::Hasher;
use counterfoil_connectors::Connector;

use super::work::Purpose;

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
    add(asked);
    for (name, connector) in connections {
        add(name);
        add(connector.url());
        for path in connector.source_files()? {
            add(&path.display().to_string());
            add(&state(&path)?);
        }
    }
    let place = std::path::absolute(place).ok()?;
    let digest = hasher.finalize().to_hex().to_string();
    Some(Purpose { what: format!("{what} {}", place.display()), digest })
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
