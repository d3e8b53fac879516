//! Any bytes are a manifest or an error; the digests hold the rest together.
#![no_main]

use std::sync::LazyLock;

use counterfoil_model::Table;
use counterfoil_snapshots::Snapshot;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// A snapshot whose manifest is replaced.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    // The store catches what readers of damaged files panic with; libFuzzer's own hook would abort before.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("tables")).expect("made");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/canon/snapshot-v3/tables/0000.arrow");
    std::fs::copy(golden, folder.path().join("tables/0000.arrow")).expect("copied");
    folder
});

fuzz_target!(|manifest: &[u8]| {
    std::fs::write(FOLDER.path().join("manifest.json"), manifest).expect("written");
    let Ok(snapshot) = Snapshot::open(FOLDER.path()) else { return };
    let names: Vec<String> = snapshot.manifest().tables.iter().map(|t| t.name.clone()).collect();
    for name in names {
        if let Ok(Some(table)) = snapshot.table(&name) {
            for chunk in 0..table.chunks() {
                let _ = table.digest(chunk, 0);
            }
            let table = table.verifying();
            let _ = table.read_all(None);
        }
    }
});
