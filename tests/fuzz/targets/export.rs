//! Any bytes are a Firestore export or an error. An odd first byte: the bytes are the log file itself; an even one: they
//! are records, which get the checksums that a log has.
#![no_main]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use counterfoil_connectors::{Connector, firestore_export::FirestoreExport};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// An export whose one log is replaced.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/movies/export");
    copy(&golden, folder.path());
    folder
});

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("read").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { drop(std::fs::copy(entry.path(), to)) }
    }
}

fn log() -> PathBuf {
    FOLDER.path().join("all_namespaces/all_kinds/output-0")
}

/// Records of up to 255 bytes, each after its length, in fragments as LevelDB frames them.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (record, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        // A block has 32 KiB; a header that doesn't fit leaves zeros.
        let left = 32 * 1024 - log.len() % (32 * 1024);
        if left < 7 + record.len() {
            log.resize(log.len() + left, 0);
        }
        let mut checksum = crc32c::crc32c_append(0, &[1]);
        checksum = crc32c::crc32c_append(checksum, record);
        let masked = checksum.rotate_right(15).wrapping_add(0xa282_ead8);
        log.extend(masked.to_le_bytes());
        log.extend((record.len() as u16).to_le_bytes());
        log.push(1);
        log.extend(record);
    }
    log
}

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let log_bytes = if mode % 2 == 1 { bytes.to_vec() } else { framed(bytes) };
    std::fs::write(log(), log_bytes).expect("written");
    let Ok(export) = FirestoreExport::open(FOLDER.path(), "firestore-export:x") else { return };
    for table in export.tables().unwrap_or_default() {
        let facts = export.facts(&table).expect("facts of a table that is there");
        assert!(facts.columns.iter().all(|c| !c.name.is_empty()) || !facts.columns.is_empty());
        let mut scan = export.scan(&table, &BTreeSet::new()).expect("a scan");
        while let Ok(Some(batch)) = scan.next_batch() {
            assert_eq!(batch.schema(), scan.schema());
        }
    }
});
