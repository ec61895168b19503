//! The task that keeps a snapshot fresh by asking its source at an interval, and at once when told to.

use crate::{LoadError, Snapshot, SnapshotSource};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Callers that may wait for `refresh_now` at once.
const WAITING_MAX: usize = 64;

/// Why `refresh_now` gave no fresh value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the refreshing task has ended")]
    Stopped,
}

type Waiting = oneshot::Sender<Result<i64, LoadError>>;

/// A running refresh of one snapshot. Dropping it ends the task.
pub struct Poll {
    name: &'static str,
    wake: mpsc::Sender<Waiting>,
    task: JoinHandle<()>,
}

/// Starts to refresh `snapshot` from `source` every `interval`, each load within `load_timeout`.
///
/// A failed load is logged and tried again at the next interval; readers keep what they had.
pub fn poll<T: Send + Sync + 'static>(
    name: &'static str,
    snapshot: Snapshot<T>,
    source: Arc<dyn SnapshotSource<T>>,
    interval: Duration,
    load_timeout: Duration,
) -> Poll {
    let (wake, waiting) = mpsc::channel(WAITING_MAX);
    let work = Work { name, snapshot, source, load_timeout };
    Poll { name, wake, task: tokio::spawn(work.run(interval, waiting)) }
}

impl Poll {
    /// Loads now and waits for it: the version that readers see afterwards.
    ///
    /// # Errors
    /// [`RefreshError::Load`] when the source failed, [`RefreshError::Stopped`] when the task is gone.
    pub async fn refresh_now(&self) -> Result<i64, RefreshError> {
        let (done, outcome) = oneshot::channel();
        self.wake.send(done).await.map_err(|_| RefreshError::Stopped)?;
        Ok(outcome.await.map_err(|_| RefreshError::Stopped)??)
    }

    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work<T> {
    name: &'static str,
    snapshot: Snapshot<T>,
    source: Arc<dyn SnapshotSource<T>>,
    load_timeout: Duration,
}

impl<T: Send + Sync + 'static> Work<T> {
    async fn run(self, interval: Duration, mut waiting: mpsc::Receiver<Waiting>) {
        let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = ticks.tick() => None,
                asked = waiting.recv() => match asked {
                    Some(asked) => Some(asked),
                    None => return,
                },
            };
            // Whoever asked before this load began is answered by it; who asks during it waits for the next.
            let mut askers: Vec<Waiting> = asked.into_iter().collect();
            while let Ok(asked) = waiting.try_recv() {
                askers.push(asked);
            }
            let outcome = self.load().await;
            for asker in askers {
                let _ = asker.send(outcome.clone()); // Who stopped waiting needs no answer.
            }
        }
    }

    async fn load(&self) -> Result<i64, LoadError> {
        let known = self.snapshot.version();
        let loaded = match tokio::time::timeout(self.load_timeout, self.source.load(known)).await {
            Ok(loaded) => loaded,
            Err(_) => Err(LoadError::new(format!("no answer within {:?}", self.load_timeout))),
        };
        match loaded {
            Ok(Some(next)) => {
                let version = next.version;
                if self.snapshot.offer(next) {
                    tracing::debug!(snapshot = self.name, known, version, "a newer snapshot is in use");
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(snapshot = self.name, known, %error, "a snapshot was not refreshed; the known one stays");
                return Err(error);
            }
        }
        Ok(self.snapshot.version())
    }
}
