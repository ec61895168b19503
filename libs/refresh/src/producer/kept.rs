//! The blobs that the elected producer answers for: those of every version it announces or could go back to.

use crate::blobs::{BlobError, Blobs};
use crate::content::{BadBlob, Manifest, decode, read_manifest};
use crate::digest::Digest;
use crate::source::Rows;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Blobs in memory, and which of them the cache is believed to have.
#[derive(Default)]
pub(super) struct Kept {
    blobs: BTreeMap<Digest, Bytes>,
    in_cache: BTreeSet<Digest>,
}

impl Kept {
    pub fn add(&mut self, blobs: impl IntoIterator<Item = (Digest, Bytes)>) {
        self.blobs.extend(blobs);
    }

    /// Takes over a version from the cache; what is here already is not fetched again.
    pub async fn take_over(&mut self, blobs: &Blobs, manifest: Digest) -> Result<(), BlobError> {
        let text = blobs.get(manifest).await?;
        let named = read_manifest(&text)?;
        let missing: Vec<Digest> =
            named.parts.iter().filter(|part| !self.blobs.contains_key(*part)).copied().collect();
        let parts = blobs.get_all(&missing).await?;
        self.in_cache.extend(missing.iter().copied().chain([manifest]));
        self.add(missing.into_iter().zip(parts).chain([(manifest, text)]));
        Ok(())
    }

    pub async fn take_over_blob(&mut self, blobs: &Blobs, digest: Digest) -> Result<(), BlobError> {
        let blob = blobs.get(digest).await?;
        self.in_cache.insert(digest);
        self.add([(digest, blob)]);
        Ok(())
    }

    fn manifest(&self, manifest: Digest) -> Result<Manifest, BlobError> {
        let blob = self.blobs.get(&manifest).ok_or(BlobError::Missing(manifest))?;
        Ok(read_manifest(blob)?)
    }

    /// The manifest and the parts of a version, as blobs.
    pub fn snapshot(&self, manifest: Digest) -> Result<(Bytes, Vec<Bytes>), BlobError> {
        let part = |digest: &Digest| self.blobs.get(digest).cloned().ok_or(BlobError::Missing(*digest));
        let parts = self.manifest(manifest)?.parts.iter().map(part).collect::<Result<_, _>>()?;
        let text = self.blobs.get(&manifest).cloned().ok_or(BlobError::Missing(manifest))?;
        Ok((text, parts))
    }

    /// The rows of a version, and its number of parts.
    pub fn rows(&self, manifest: Digest) -> Result<(Rows, usize), BlobError> {
        let (_, parts) = self.snapshot(manifest)?;
        let count = parts.len();
        let rows: Result<Rows, BadBlob> = decode(&self.manifest(manifest)?, &parts);
        Ok((rows?, count))
    }

    /// Forgets what none of these versions and blobs needs.
    pub fn keep_only(&mut self, manifests: &[Digest], others: impl IntoIterator<Item = Digest>) {
        let mut needed: BTreeSet<Digest> = others.into_iter().collect();
        for manifest in manifests {
            needed.insert(*manifest);
            if let Ok(named) = self.manifest(*manifest) {
                needed.extend(named.parts);
            }
        }
        self.blobs.retain(|digest, _| needed.contains(digest));
        self.in_cache.retain(|digest| needed.contains(digest));
    }

    /// The cache may have lost everything: put all of it again.
    pub fn distrust_cache(&mut self) {
        self.in_cache.clear();
    }

    /// Puts into the cache what it is not known to have.
    pub async fn put(&mut self, blobs: &Blobs) -> Result<(), BlobError> {
        let missing: Vec<(Digest, Bytes)> = self
            .blobs
            .iter()
            .filter(|(digest, _)| !self.in_cache.contains(*digest))
            .map(|(digest, blob)| (*digest, blob.clone()))
            .collect();
        blobs.put_all(&missing).await?;
        self.in_cache.extend(missing.into_iter().map(|(digest, _)| digest));
        Ok(())
    }
}
