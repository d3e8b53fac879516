//! A table's file that isn't the one that was written is an error, or has the values that were.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use counterfoil_model::Table;
use counterfoil_snapshots::Snapshot;
use arrow::array::RecordBatch;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// Snapshots whose table is replaced: one of either storage.
static FOLDERS: LazyLock<[(TempDir, &str); 2]> = LazyLock::new(|| {
    let canon = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/canon");
    [("snapshot-v3", "tables/0000.arrow"), ("snapshot-v3-parquet", "tables/0000.parquet")].map(|(name, file)| {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("tables")).expect("made");
        std::fs::copy(canon.join(name).join("manifest.json"), folder.path().join("manifest.json")).expect("copied");
        (folder, file)
    })
});

static ROWS: LazyLock<RecordBatch> = LazyLock::new(|| {
    // The store catches what readers of damaged files panic with; libFuzzer's own hook would abort before.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/canon/snapshot-v3");
    let table = Snapshot::open(&golden).expect("golden").table("t").expect("opens").expect("there");
    table.read_all(None).expect("read")
});

fuzz_target!(|bytes: &[u8]| {
    let rows_written = &ROWS;
    LazyLock::force(rows_written);
    // Parquet files begin with their magic bytes.
    let (folder, file) = &FOLDERS[usize::from(bytes.starts_with(b"PAR1"))];
    std::fs::write(folder.path().join(file), bytes).expect("written");
    let snapshot = Snapshot::open(folder.path()).expect("the manifest is whole");
    let Ok(Some(table)) = snapshot.table("t") else { return };
    if let Ok(rows) = table.verifying().read_all(None) {
        assert!(rows == **rows_written, "other values: {rows:?}");
    }
});
