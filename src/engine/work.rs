//! The folder of a run: made under a temporary name beside its place, and renamed whole. What a killed run
//! leaves is swept away by the next one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;

/// How temporary folders begin.
const PREFIX: &str = ".counterfoil-";

/// The temporary folder of the run in progress, for the handler of Ctrl-C.
static CURRENT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Whether Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A temporary folder that disappears unless it is published.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    place: PathBuf,
}

impl WorkFolder {
    /// Makes a temporary folder beside `place`, which must not exist (or be empty).
    ///
    /// # Errors
    /// Where the place is taken, or its parent can't be written.
    pub fn create(place: &Path) -> Result<Self, Error> {
        if place.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || place.is_file() {
            let help = "name another folder with --out DIR; earlier runs are never overwritten".to_owned();
            return Err(Error::other(format!("{} exists already and is not empty", place.display()), help));
        }
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(|e| Error::io("create", &parent, e))?;
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(path.join("run")).map_err(|e| Error::io("create", &path, e))?;
        fs::create_dir_all(path.join("scratch")).map_err(|e| Error::io("create", &path, e))?;
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.clone());
        Ok(Self { path, place: place.into() })
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

/// Removes temporary folders of processes that are gone (killed).
fn sweep(parent: &Path) {
    let Ok(entries) = parent.read_dir() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) =
            name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|p| p.parse::<u32>().ok())
        else {
            continue;
        };
        // Only where the system tells which processes live; elsewhere the folder stays.
        if Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
