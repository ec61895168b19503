//! A node's copy on disk: what it ran last, for a start while producer, cache and database are all away.
//!
//! Blobs lie under their digest and prove themselves; `current.json` names them and is exchanged as a whole, so a
//! crash at any moment leaves the former copy or the new one. One consumer owns a folder, by a lock. Blocks: call it
//! where that is allowed.

use crate::content::{BadBlob, Manifest, read_manifest};
use crate::digest::Digest;
use crate::set_name::SetName;
use bytes::Bytes;
use contracts::lane::Lane;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why the copy on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("the folder {} cannot be used: {source}", place.display())]
    Io { place: PathBuf, source: std::io::Error },
    #[error("the folder {} belongs to another consumer", .0.display())]
    Taken(PathBuf),
    #[error("the copy in {} is damaged: {reason}", place.display())]
    Damaged { place: PathBuf, reason: String },
}

/// The form of `current.json`.
const DISK_FORMAT: u32 = 1;

/// What the folder holds: a snapshot, and the deltas after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub format: u32,
    pub epoch: i64,
    pub seq: u64,
    pub version: i64,
    pub as_of_ms: u64,
    /// The content that the node ran.
    pub manifest: Digest,
    /// The snapshot that is here.
    pub base: Digest,
    /// From there to the content.
    pub deltas: Vec<Digest>,
}

/// A copy as it was read back.
pub(crate) struct Copy {
    pub held: Held,
    pub manifest: Manifest,
    pub parts: Vec<Bytes>,
    pub deltas: Vec<Bytes>,
}

/// The folder of one set in one lane.
pub(crate) struct Disk {
    folder: PathBuf,
    /// Held for as long as the folder is ours.
    _lock: File,
}

impl Disk {
    /// Takes the folder of a set below `root`, making it if need be.
    pub fn open(root: &Path, lane: &Lane, set: &SetName) -> Result<Disk, DiskError> {
        let folder = root.join(format!("{}{set}", lane.prefix()));
        let failed = |source| DiskError::Io { place: folder.clone(), source };
        fs::create_dir_all(folder.join("blobs")).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Disk { folder, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(DiskError::Taken(folder)),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.to_string())
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> DiskError + '_ {
        |source| DiskError::Io { place: self.folder.clone(), source }
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> DiskError {
        DiskError::Damaged { place: self.folder.clone(), reason: reason.to_string() }
    }

    /// A blob, if it is here and whole.
    pub fn get(&self, digest: Digest) -> Option<Bytes> {
        let blob = fs::read(self.blob_path(digest)).ok()?;
        (Digest::of(&blob) == digest).then(|| Bytes::from(blob))
    }

    fn get_or_damaged(&self, digest: Digest) -> Result<Bytes, DiskError> {
        self.get(digest).ok_or_else(|| self.damaged(format!("the blob {digest} is missing or not whole")))
    }

    /// What the folder holds; `None` where nothing was ever kept.
    pub fn read(&self) -> Result<Option<Copy>, DiskError> {
        let text = match fs::read(self.folder.join("current.json")) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed()(error)),
        };
        let held: Held = serde_json::from_slice(&text).map_err(|error| self.damaged(error))?;
        if held.format != DISK_FORMAT {
            return Err(self.damaged(format!("it is of format {}", held.format)));
        }
        let manifest = self.get_or_damaged(held.base)?;
        let manifest = read_manifest(&manifest).map_err(|error: BadBlob| self.damaged(error))?;
        let parts =
            manifest.parts.iter().map(|digest| self.get_or_damaged(*digest)).collect::<Result<_, _>>()?;
        let deltas =
            held.deltas.iter().map(|digest| self.get_or_damaged(*digest)).collect::<Result<_, _>>()?;
        Ok(Some(Copy { held, manifest, parts, deltas }))
    }

    /// Keeps a copy: first the blobs that are not here yet, then the name of it all; then takes away what no copy
    /// needs.
    pub fn write(
        &self,
        held: &Held,
        blobs: &[(Digest, Bytes)],
        kept: &BTreeSet<Digest>,
    ) -> Result<(), DiskError> {
        for (digest, blob) in blobs {
            if self.get(*digest).is_none() {
                self.replace(&self.blob_path(*digest), blob)?;
            }
        }
        let text = serde_json::to_vec(held).map_err(|error| self.damaged(error))?;
        self.replace(&self.folder.join("current.json"), &text)?;
        for entry in fs::read_dir(self.folder.join("blobs")).map_err(self.failed())? {
            let entry = entry.map_err(self.failed())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_kept = Digest::try_from(name).is_ok_and(|digest| kept.contains(&digest));
            if !is_kept {
                fs::remove_file(entry.path()).map_err(self.failed())?;
            }
        }
        Ok(())
    }

    /// Writes beside the file, makes it durable, then exchanges it.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let beside = path.with_extension("new");
        let written = || {
            let mut file = File::create(&beside)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&beside, path)
        };
        written().map_err(self.failed())
    }
}

impl Held {
    /// The name of a copy that is a snapshot alone.
    pub fn whole(version: i64, manifest: Digest, (epoch, seq): (i64, u64), as_of_ms: u64) -> Held {
        let deltas = Vec::new();
        Held { format: DISK_FORMAT, epoch, seq, version, as_of_ms, manifest, base: manifest, deltas }
    }
}
