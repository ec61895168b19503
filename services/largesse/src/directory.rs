//! The data directory: one process at a time, one format, and what lies where.

use crate::failure::Failure;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The format this version writes. Raised when an older version could not read what a newer one wrote.
const FORMAT: u32 = 1;

/// A data directory, held by this process.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Held open: the lock ends with the process, however it ends.
    _lock: File,
}

impl Directory {
    /// Opens a data directory, creating it if needed, and holds it.
    ///
    /// # Errors
    /// [`Failure::DirectoryInUse`], [`Failure::DirectoryTooNew`], [`Failure::File`].
    pub fn open(path: &Path) -> Result<Directory, Failure> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Failure::File { path, source }
        };
        std::fs::create_dir_all(path).map_err(failed(path))?;
        let lock_path = path.join("largesse.lock");
        let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Failure::DirectoryInUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(Failure::File { path: lock_path, source }),
        }
        let format_path = path.join("format");
        match std::fs::read_to_string(&format_path) {
            Ok(text) => {
                let found = text.trim().parse().unwrap_or(u32::MAX); // Unreadable means: not ours to touch.
                if found > FORMAT {
                    return Err(Failure::DirectoryTooNew { path: path.to_owned(), found, known: FORMAT });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_durably(&format_path, FORMAT.to_string().as_bytes())?;
            }
            Err(source) => return Err(Failure::File { path: format_path, source }),
        }
        Ok(Directory { path: path.to_owned(), _lock: lock })
    }

    /// Where the embedded database lives.
    pub fn database(&self) -> PathBuf {
        self.path.join("pg")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes a small file so that after a crash it is there whole or not at all.
///
/// # Errors
/// [`Failure::File`].
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), source };
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}
