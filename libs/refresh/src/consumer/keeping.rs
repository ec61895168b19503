//! The copy on disk of one consumer: kept after each move, read back at a start.

use crate::Digest;
use crate::blobs::{BlobError, Blobs};
use crate::disk::{Copy, Disk, DiskError, Held};
use crate::set_name::SetName;
use crate::wire::{DELTAS_MAX, Target};
use bytes::Bytes;
use contracts::lane::Lane;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The folder of a consumer, if it has one that works.
pub(super) struct Keeping {
    disk: Option<Arc<Disk>>,
    held: Option<Held>,
    /// Blobs of the snapshot in `held`, the manifest's among them.
    base: BTreeSet<Digest>,
    problem: Option<DiskError>,
}

/// What a move brought: enough to keep it.
pub(super) enum Brought {
    /// Deltas, from the content before.
    Deltas {
        from: Digest,
        blobs: Vec<Bytes>,
    },
    Snapshot {
        manifest: Bytes,
        parts: Vec<Bytes>,
    },
}

impl Keeping {
    /// Opens the folder and reads what is in it. A folder that cannot be used, or that is damaged, is told about and
    /// gone without.
    pub async fn open(root: Option<PathBuf>, lane: &Lane, set: &SetName) -> (Keeping, Option<Copy>) {
        let mut keeping = Keeping { disk: None, held: None, base: BTreeSet::new(), problem: None };
        let Some(root) = root else { return (keeping, None) };
        let (lane, name) = (lane.clone(), set.clone());
        let opening = tokio::task::spawn_blocking(move || {
            let disk = Disk::open(&root, &lane, &name)?;
            let copy = disk.read();
            Ok::<_, DiskError>((disk, copy))
        });
        let copy = match opening.await {
            Ok(Ok((disk, copy))) => {
                keeping.disk = Some(Arc::new(disk));
                copy
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(None), // The runtime is going down.
        };
        match copy {
            Ok(Some(copy)) => {
                keeping.base = copy.manifest.parts.iter().copied().chain([copy.held.base]).collect();
                keeping.held = Some(copy.held.clone());
                (keeping, Some(copy))
            }
            Ok(None) => (keeping, None),
            Err(error) => {
                tracing::warn!(%set, %error, "starting without the copy on disk");
                keeping.problem = Some(error);
                (keeping, None)
            }
        }
    }

    pub fn problem(&self) -> Option<&DiskError> {
        self.problem.as_ref()
    }

    /// A blob that is on disk already.
    pub async fn get(&self, digest: Digest) -> Option<Bytes> {
        let disk = Arc::clone(self.disk.as_ref()?);
        if !self.base.contains(&digest) {
            return None;
        }
        tokio::task::spawn_blocking(move || disk.get(digest)).await.ok().flatten()
    }

    /// Keeps what the node runs now. Failing is told about; the node serves on.
    pub async fn keep(&mut self, blobs: &Blobs, target: &Target, said: ((i64, u64), u64), brought: Brought) {
        let Some(disk) = self.disk.clone() else { return };
        let kept = match self.next(blobs, target, said, brought).await {
            Ok((held, base, fresh)) => {
                let (mut needed, writing) = (base.clone(), held.clone());
                needed.extend(held.deltas.iter().copied());
                let write = move || disk.write(&writing, &fresh, &needed);
                match tokio::task::spawn_blocking(write).await {
                    Ok(Ok(())) => {
                        (self.held, self.base) = (Some(held), base);
                        Ok(())
                    }
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = kept {
            let (set, version) = (blobs.set_name(), target.version);
            tracing::warn!(%set, version, error, "the copy on disk stays at an older version");
        }
    }

    /// What the folder should hold next: its name, its snapshot's blobs, and the blobs that may be new to it.
    async fn next(
        &self,
        blobs: &Blobs,
        target: &Target,
        (order, as_of_ms): ((i64, u64), u64),
        brought: Brought,
    ) -> Result<(Held, BTreeSet<Digest>, Vec<(Digest, Bytes)>), BlobError> {
        let mut next = Held::whole(target.version, target.manifest, order, as_of_ms);
        let name = |blob: Bytes| (Digest::of(&blob), blob);
        match (brought, &self.held) {
            (Brought::Deltas { from, blobs: new }, Some(held))
                if held.manifest == from && held.deltas.len() + new.len() <= DELTAS_MAX =>
            {
                let fresh: Vec<(Digest, Bytes)> = new.into_iter().map(name).collect();
                next.base = held.base;
                next.deltas = held.deltas.iter().copied().chain(fresh.iter().map(|(d, _)| *d)).collect();
                Ok((next, self.base.clone(), fresh))
            }
            (Brought::Deltas { .. }, _) => {
                // Too many deltas, or they begin elsewhere: a new snapshot, most of whose parts are here.
                let manifest = blobs.get(target.manifest).await?;
                let parts = self.parts_of(blobs, &manifest).await?;
                Ok(whole(next, manifest, parts))
            }
            (Brought::Snapshot { manifest, parts }, _) => Ok(whole(next, manifest, parts)),
        }
    }

    /// The parts that a manifest names, from here where they are here.
    pub async fn parts_of(&self, blobs: &Blobs, manifest: &Bytes) -> Result<Vec<Bytes>, BlobError> {
        let manifest = crate::content::read_manifest(manifest)?;
        let mut parts = vec![Bytes::new(); manifest.parts.len()];
        let (mut missing, mut places) = (Vec::new(), Vec::new());
        for (place, digest) in manifest.parts.iter().enumerate() {
            match self.get(*digest).await {
                Some(part) => parts[place] = part,
                None => {
                    missing.push(*digest);
                    places.push(place);
                }
            }
        }
        for (place, part) in places.into_iter().zip(blobs.get_all(&missing).await?) {
            parts[place] = part;
        }
        Ok(parts)
    }
}

fn whole(held: Held, manifest: Bytes, parts: Vec<Bytes>) -> (Held, BTreeSet<Digest>, Vec<(Digest, Bytes)>) {
    let fresh: Vec<(Digest, Bytes)> =
        parts.into_iter().chain([manifest]).map(|blob| (Digest::of(&blob), blob)).collect();
    (held, fresh.iter().map(|(digest, _)| *digest).collect(), fresh)
}
