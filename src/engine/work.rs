//! The folder of a run: made under a temporary name beside its place, and renamed whole. What a killed run leaves is
//! gone on with by the next one of the same purpose, or swept away.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How temporary folders begin.
const PREFIX: &str = ".counterfoil-";
/// Locked as long as the process lives; the system unlocks it however that ends.
const LOCK: &str = "lock";
/// What the folder is for.
const PURPOSE: &str = "purpose.json";
/// How long what a killed run left is kept for a run of the same purpose, when others run beside it.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// In words: two with the same never wait for each other.
    pub what: String,
    /// Over everything that its result depends on.
    pub digest: String,
}

/// The temporary folder of the run in progress, for the handler of Ctrl-C.
static CURRENT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Whether Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A temporary folder that disappears unless it is published.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    place: PathBuf,
    resumed: bool,
    _lock: File,
}

impl WorkFolder {
    /// Makes a temporary folder beside `place`, which must not exist (or be empty); or takes over the one that a killed
    /// run of the same purpose left there.
    ///
    /// # Errors
    /// Where the place is taken, or its parent can't be written.
    pub fn create(place: &Path, purpose: Option<&Purpose>) -> Result<Self, Error> {
        is_free(place)?;
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(|e| Error::io("create", &parent, e))?;
        let left = sweep(&parent, purpose);
        let path = unused(&parent);
        let adopted = left.and_then(|(left, lock)| fs::rename(left, &path).ok().map(|()| lock));
        let resumed = adopted.is_some();
        let lock = match adopted {
            Some(lock) => lock,
            None => {
                fs::create_dir(&path).map_err(|e| Error::io("create", &path, e))?;
                locked(&path).ok_or_else(|| Error::other(format!("{} is in use", path.display()), None))?
            }
        };
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.clone());
        let folder = Self { path, place: place.into(), resumed, _lock: lock };
        for inner in [folder.run(), folder.scratch()] {
            fs::create_dir_all(&inner).map_err(|e| Error::io("create", &inner, e))?;
        }
        if let Some(purpose) = purpose {
            let path = folder.path.join(PURPOSE);
            let text = serde_json::to_vec(purpose).map_err(|e| Error::io("write", &path, e.into()))?;
            fs::write(&path, text).map_err(|e| Error::io("write", &path, e))?;
        }
        Ok(folder)
    }

    /// Whether this is what a killed run left.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Empties what is to be published.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn empty_run(&self) -> Result<(), Error> {
        let run = self.run();
        fs::remove_dir_all(&run).map_err(|e| Error::io("remove", &run, e))?;
        fs::create_dir(&run).map_err(|e| Error::io("create", &run, e))
    }

    /// Where the run's files are written until it is published.
    pub fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Where snapshots and part files live while the run lasts.
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// Puts the finished run in its place, in one step.
    ///
    /// # Errors
    /// Where the rename fails.
    pub fn publish(self) -> Result<PathBuf, Error> {
        wait_if_interrupted();
        if self.place.is_dir() {
            fs::remove_dir(&self.place).map_err(|e| Error::io("replace", &self.place, e))?;
        }
        fs::rename(self.run(), &self.place).map_err(|e| Error::io("create", &self.place, e))?;
        Ok(self.place.clone())
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        discard();
    }
}

/// Removes the temporary folder of the run in progress, if any.
pub fn discard() {
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(path) = current else { return };
    // Threads of an interrupted run may still be writing into it, so once may not be enough. Nothing more can be done
    // about a folder that won't go; the next run tries again.
    for _ in 0..200 {
        let gone = fs::remove_dir_all(&path).is_ok() || !path.exists();
        if gone && !INTERRUPTED.load(Ordering::SeqCst) {
            return;
        }
        std::thread::sleep(Duration::from_millis(15));
        if !path.exists() {
            return;
        }
    }
}

/// Stops a run for good: from now on [`wait_if_interrupted`] doesn't return, and its folder is gone.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    discard();
}

/// Waits for the end of the process where the run was interrupted: the handler ends it with the right code.
pub fn wait_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Whether a run may be put there.
///
/// # Errors
/// Where something is there already.
pub fn is_free(place: &Path) -> Result<(), Error> {
    if place.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || place.is_file() {
        let help = "name another folder with --out DIR; earlier runs are never overwritten".to_owned();
        return Err(Error::other(format!("{} exists already and is not empty", place.display()), help));
    }
    Ok(())
}

/// A name for a temporary folder of this process.
fn unused(parent: &Path) -> PathBuf {
    let name = format!("{PREFIX}{}", std::process::id());
    let names = std::iter::once(name.clone()).chain((1..).map(|n| format!("{name}-{n}")));
    names.map(|name| parent.join(name)).find(|path| !path.exists()).unwrap_or_else(|| parent.join(name))
}

/// The lock of a folder, if nobody holds it.
fn locked(folder: &Path) -> Option<File> {
    let file = File::create(folder.join(LOCK)).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        // Where files can't be locked, the number of the process has to do.
        Ok(()) | Err(TryLockError::Error(_)) => Some(file),
    }
}

/// Removes temporary folders of processes that are gone (killed), and gives the one that is of this purpose.
fn sweep(parent: &Path, purpose: Option<&Purpose>) -> Option<(PathBuf, File)> {
    let mut found = None;
    for entry in parent.read_dir().ok()?.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
        let process = rest.split('-').next().and_then(|p| p.parse::<u32>().ok());
        let age = path.metadata().and_then(|m| m.modified()).ok().and_then(|m| m.elapsed().ok());
        let age = age.unwrap_or_default();
        // Numbers of processes come again, so after a day the lock alone decides.
        let gone = process.is_some_and(is_gone) || age > DAY;
        let Some(lock) = gone.then(|| locked(&path)).flatten() else { continue };
        let left = fs::read(path.join(PURPOSE)).ok();
        let left: Option<Purpose> = left.and_then(|text| serde_json::from_slice(&text).ok());
        let of_another = |left: &Purpose| purpose.is_none_or(|p| p.what != left.what);
        match left {
            Some(left) if purpose == Some(&left) && found.is_none() => found = Some((path, lock)),
            Some(left) if of_another(&left) && age < KEPT => {}
            _ => {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
    found
}

/// Whether a process is gone, as far as the system tells.
fn is_gone(process: u32) -> bool {
    process != std::process::id()
        && (!Path::new("/proc/self").exists() || !Path::new(&format!("/proc/{process}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_runs_left_is_taken_over_kept_or_swept_away() {
        let parent = tempfile::tempdir().unwrap();
        let purpose = |what: &str, digest: &str| Purpose { what: what.into(), digest: digest.into() };
        // No process has these numbers.
        let leave = |number: u32, purpose: Option<&Purpose>| {
            let path = parent.path().join(format!("{PREFIX}{number}"));
            fs::create_dir(&path).unwrap();
            if let Some(purpose) = purpose {
                fs::write(path.join(PURPOSE), serde_json::to_vec(purpose).unwrap()).unwrap();
            }
            path
        };
        let mine = purpose("run a.yaml", "1");
        let same = leave(4_000_000_001, Some(&mine));
        let changed = leave(4_000_000_002, Some(&purpose("run a.yaml", "2")));
        let others = leave(4_000_000_003, Some(&purpose("run b.yaml", "3")));
        let nameless = leave(4_000_000_004, None);
        let alive = leave(4_000_000_005, Some(&mine));
        let held = locked(&alive).unwrap();
        let (found, _lock) = sweep(parent.path(), Some(&mine)).unwrap();
        assert_eq!(found, same);
        assert!(same.exists() && others.exists() && alive.exists());
        assert!(!changed.exists() && !nameless.exists());
        drop(held);
        // Who has no purpose leaves those of others alone too, for they are young.
        assert!(sweep(parent.path(), None).is_none());
        assert!(others.exists());
    }
}
