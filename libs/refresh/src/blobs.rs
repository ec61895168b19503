//! Blobs in the cache: content under its digest, and the few keys that have names.
//!
//! What is read is compared with its digest, so a blob is right or missing, never wrong.

use crate::content::{BadBlob, from_json, to_json};
use crate::digest::Digest;
use crate::set_name::SetName;
use bytes::Bytes;
use cache::{Cache, CacheError, Feed};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How long the cache keeps what nobody puts again.
const BLOB_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Blobs fetched or put at once by one node.
const BLOBS_AT_ONCE: usize = 8;

/// Why a blob is not at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlobError {
    #[error("the cache does not have the blob {0}")]
    Missing(Digest),
    #[error("the cache has other bytes under the name of the blob {0}")]
    Corrupt(Digest),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Bad(#[from] BadBlob),
}

/// The keys of one set in one lane.
#[derive(Clone)]
pub(crate) struct Blobs {
    cache: Cache,
    set: SetName,
}

/// What producer and consumers call to each other. Losing a call costs a wait, never a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// From the producer: look.
    Announced,
    /// From whoever wrote into the source: look.
    Changed,
}

impl Call {
    fn text(self) -> &'static [u8] {
        match self {
            Call::Announced => b"announced",
            Call::Changed => b"changed",
        }
    }

    /// `None` for what a later program may say.
    pub fn read(payload: &[u8]) -> Option<Call> {
        [Call::Announced, Call::Changed].into_iter().find(|call| call.text() == payload)
    }
}

impl Blobs {
    pub fn new(cache: Cache, set: SetName) -> Blobs {
        Blobs { cache, set }
    }

    pub fn set_name(&self) -> &SetName {
        &self.set
    }

    fn key(&self, name: impl std::fmt::Display) -> String {
        format!("{}:{name}", self.set.key())
    }

    /// Feeds are known by ids, so each has one made from its name.
    fn feed(&self, name: &str) -> Uuid {
        Uuid::new_v8(Digest::of(self.key(name).as_bytes()).first_half())
    }

    pub async fn get(&self, digest: Digest) -> Result<Bytes, BlobError> {
        let blob = self.cache.get(&self.key(digest)).await?.ok_or(BlobError::Missing(digest))?;
        if Digest::of(&blob) == digest { Ok(blob) } else { Err(BlobError::Corrupt(digest)) }
    }

    /// Blobs in the order asked for.
    pub async fn get_all(&self, digests: &[Digest]) -> Result<Vec<Bytes>, BlobError> {
        let mut blobs = Vec::with_capacity(digests.len());
        for some in digests.chunks(BLOBS_AT_ONCE) {
            blobs.extend(futures::future::try_join_all(some.iter().map(|digest| self.get(*digest))).await?);
        }
        Ok(blobs)
    }

    pub async fn put_all(&self, blobs: &[(Digest, Bytes)]) -> Result<(), BlobError> {
        for some in blobs.chunks(BLOBS_AT_ONCE) {
            let puts = some
                .iter()
                .map(async |(digest, blob)| self.cache.set(&self.key(digest), blob, BLOB_TTL).await);
            futures::future::try_join_all(puts).await?;
        }
        Ok(())
    }

    /// What stands under a name, if it can be read.
    pub async fn get_named<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, BlobError> {
        match self.cache.get(&self.key(name)).await? {
            None => Ok(None),
            Some(text) => Ok(Some(from_json(&text)?)),
        }
    }

    pub async fn put_named<T: Serialize>(&self, name: &str, value: &T) -> Result<(), BlobError> {
        Ok(self.cache.set(&self.key(name), &to_json(value)?, BLOB_TTL).await?)
    }

    pub async fn call(&self, call: Call) -> Result<(), CacheError> {
        let said = vec![Bytes::from_static(call.text())];
        self.cache.feed_append(self.feed("calls"), said).await.map(drop)
    }

    pub async fn calls(&self) -> Result<Feed, CacheError> {
        self.cache.feed_subscribe(self.feed("calls")).await
    }

    pub async fn report(&self, report: Bytes) -> Result<(), CacheError> {
        self.cache.feed_append(self.feed("reports"), vec![report]).await.map(drop)
    }

    pub async fn reports(&self) -> Result<Feed, CacheError> {
        self.cache.feed_subscribe(self.feed("reports")).await
    }
}

/// The key of the [`crate::wire::Beat`].
pub(crate) const BEAT: &str = "beat";

/// The key of the [`crate::wire::Roster`].
pub(crate) const ROSTER: &str = "roster";
