//! From one version to another: by deltas if they are at hand, else by a snapshot. Builds beside what is served.

use super::Origin;
use super::keeping::{Brought, Keeping};
use crate::blobs::{BlobError, Blobs};
use crate::content::{BadBlob, Counts, apply, as_text, check_counts, read_delta, read_manifest};
use crate::digest::Digest;
use crate::rules::{Rules, Step};
use crate::snapshot::Versioned;
use crate::table::DataSet;
use crate::wire::Target;
use bytes::Bytes;
use std::sync::Arc;

/// Deltas up to so many bytes are applied where the consumer's task runs; more go to a thread that may block.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// What the node runs.
pub(super) struct Running<D> {
    /// `None` before the first version.
    pub manifest: Option<Digest>,
    pub rows: Counts,
    pub view: Arc<Versioned<D>>,
}

impl<D> Clone for Running<D> {
    fn clone(&self) -> Self {
        Running { manifest: self.manifest, rows: self.rows.clone(), view: Arc::clone(&self.view) }
    }
}

/// A version that is built and judged, and not served yet.
pub(super) struct Built<D> {
    pub set: D,
    pub rows: Counts,
}

pub(super) struct Moved<D> {
    pub built: Built<D>,
    pub origin: Origin,
    pub brought: Brought,
}

/// Why the node stays where it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotMoved {
    /// A rule, the set's own code, or the announced rows themselves.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Lacking(BlobError),
    /// Deltas that do not lead there; the snapshot may.
    #[error(transparent)]
    Astray(BadBlob),
}

impl From<BlobError> for NotMoved {
    fn from(error: BlobError) -> NotMoved {
        match error {
            // The bytes are those that were announced, and this node cannot use them.
            BlobError::Bad(bad) => NotMoved::Refused(bad.to_string()),
            other => NotMoved::Lacking(other),
        }
    }
}

/// One move.
pub(super) struct Move<'a, D> {
    pub blobs: &'a Blobs,
    pub keeping: &'a Keeping,
    pub rules: &'a Rules<D>,
    pub running: Running<D>,
    pub target: Target,
}

impl<D: DataSet> Move<'_, D> {
    /// By the deltas of a chain. Whatever goes wrong, a snapshot may still be right.
    pub async fn by_deltas(self, chain: &[Digest]) -> Result<Moved<D>, NotMoved> {
        let from = self.running.manifest.ok_or(BlobError::Bad(BadBlob::OtherBeginning))?;
        let blobs = self.blobs.get_all(chain).await?;
        let (running, target, rules) = (self.running, self.target, self.rules.clone());
        let deltas = blobs.clone();
        let build = move || {
            let (set, rows, changed) =
                after_deltas(running.view.value.clone(), from, &deltas, target.manifest)
                    .map_err(NotMoved::Astray)?;
            judged(&running, set, rows, Some(&changed), (&rules, target.approved))
        };
        let is_small = blobs.iter().map(Bytes::len).sum::<usize>() <= INLINE_BYTES_MAX;
        let built = if is_small { build() } else { on_a_thread(build).await };
        Ok(Moved { built: built?, origin: Origin::Delta, brought: Brought::Deltas { from, blobs } })
    }

    /// By the whole snapshot, of which only the parts that are not on disk are fetched.
    pub async fn by_snapshot(self) -> Result<Moved<D>, NotMoved> {
        let manifest = self.blobs.get(self.target.manifest).await?;
        let parts = self.keeping.parts_of(self.blobs, &manifest).await?;
        let (running, target, rules) = (self.running, self.target, self.rules.clone());
        let (text, lines) = (manifest.clone(), parts.clone());
        let build = move || {
            let bad = |bad: BadBlob| NotMoved::Refused(bad.to_string());
            let (set, rows) = from_snapshot(&text, &lines).map_err(bad)?;
            judged(&running, set, rows, None, (&rules, target.approved))
        };
        let built = on_a_thread(build).await?;
        Ok(Moved { built, origin: Origin::Snapshot, brought: Brought::Snapshot { manifest, parts } })
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotMoved> + Send + 'static,
) -> Result<T, NotMoved> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(NotMoved::Refused(error.to_string())))
}

fn judged<D: DataSet>(
    running: &Running<D>,
    set: D,
    rows: Counts,
    changed: Option<&Counts>,
    (rules, approved): (&Rules<D>, bool),
) -> Result<Built<D>, NotMoved> {
    let before = &running.view.value;
    let step = Step { before, rows_before: &running.rows, rows_after: &rows, changed, approved };
    let set = rules.admit(&step, set).map_err(NotMoved::Refused)?;
    Ok(Built { set, rows })
}

/// A set from a manifest and its parts, not yet finished.
pub(crate) fn from_snapshot<D: DataSet>(manifest: &[u8], parts: &[Bytes]) -> Result<(D, Counts), BadBlob> {
    let manifest = read_manifest(manifest)?;
    let mut set = D::default();
    for part in parts {
        apply(&mut set, as_text(part)?)?;
    }
    check_counts(&mut set, &manifest.tables)?;
    Ok((set, manifest.tables))
}

/// A set after some deltas, not yet finished; with its rows and how many of them changed.
pub(crate) fn after_deltas<D: DataSet>(
    mut set: D,
    from: Digest,
    deltas: &[Bytes],
    to: Digest,
) -> Result<(D, Counts, Counts), BadBlob> {
    let (mut at, mut rows, mut changed) = (from, Counts::new(), Counts::new());
    for delta in deltas {
        let (head, lines) = read_delta(delta)?;
        if head.from != at {
            return Err(BadBlob::OtherBeginning);
        }
        for (table, count) in apply(&mut set, lines)? {
            *changed.entry(table).or_insert(0) += count;
        }
        check_counts(&mut set, &head.tables)?;
        (at, rows) = (head.to, head.tables);
    }
    if at == to { Ok((set, rows, changed)) } else { Err(BadBlob::OtherBeginning) }
}
