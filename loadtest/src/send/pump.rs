//! Hands a file's lines to workers. All lines of one viewer go to one worker, in their order.

use super::SendError;
use crate::error::ReplayError;
use crate::format::Numbered;
use crate::replay::ValidReplay;
use ids::ViewerId;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Lines that may wait for one worker.
const QUEUE_LEN_MAX: usize = 64;

/// What one worker does, and what it remembers of it.
pub(super) trait Work: Send + 'static {
    type Job: Send + 'static;
    fn act(&mut self, job: Self::Job) -> impl Future<Output = Result<(), SendError>> + Send;
}

/// One line for a worker.
pub(super) struct Task<J> {
    pub viewer: ViewerId,
    pub t_ms: i64,
    pub job: J,
}

/// Reads the file once and has every selected line worked on. The first failure stops all of them.
pub(super) async fn pump<W: Work>(
    replay: &Arc<ValidReplay>,
    workers: Vec<W>,
    pace: Option<NonZeroU32>,
    select: impl FnMut(Numbered) -> Option<Task<W::Job>> + Send + 'static,
) -> Result<Vec<W>, SendError> {
    let stopping = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    let mut queues = Vec::with_capacity(workers.len());
    for worker in workers {
        let (queue, jobs) = mpsc::channel(QUEUE_LEN_MAX);
        queues.push(queue);
        running.spawn(work(worker, jobs, Arc::clone(&stopping)));
    }
    let replay = Arc::clone(replay);
    let reader = tokio::task::spawn_blocking(move || read(&replay, &queues, pace, select));

    let (mut done, mut failed) = (Vec::new(), None);
    while let Some(joined) = running.join_next().await {
        match joined {
            Ok(Ok(worker)) => done.push(worker),
            Ok(Err(error)) => {
                stopping.store(true, Ordering::Relaxed);
                failed.get_or_insert(error);
            }
            Err(error) => {
                stopping.store(true, Ordering::Relaxed);
                failed.get_or_insert(SendError::Worker(error.to_string()));
            }
        }
    }
    let read = reader.await.map_err(|error| SendError::Worker(error.to_string()))?;
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => Ok(done),
    }
}

async fn work<W: Work>(
    mut worker: W,
    mut jobs: mpsc::Receiver<W::Job>,
    stopping: Arc<AtomicBool>,
) -> Result<W, SendError> {
    while let Some(job) = jobs.recv().await {
        if stopping.load(Ordering::Relaxed) {
            break;
        }
        if let Err(error) = worker.act(job).await {
            // Set here too: the reader must not fill the queues of the others while this result travels.
            stopping.store(true, Ordering::Relaxed);
            return Err(error);
        }
    }
    Ok(worker)
}

fn read<J>(
    replay: &ValidReplay,
    queues: &[mpsc::Sender<J>],
    pace: Option<NonZeroU32>,
    mut select: impl FnMut(Numbered) -> Option<Task<J>>,
) -> Result<(), ReplayError> {
    let started = Instant::now();
    replay.each(|numbered| {
        let Some(Task { viewer, t_ms, job }) = select(numbered) else { return Ok(()) };
        if let Some(pace) = pace {
            let due = Duration::from_millis(u64::try_from(t_ms).unwrap_or_default()) / pace.get();
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        // The last bytes of a derived id are a hash, so workers share the viewers evenly.
        let [.., a, b, c] = *viewer.uuid().as_bytes();
        let mixed = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let Some(queue) = mixed.checked_rem(queues.len()).and_then(|at| queues.get(at)) else {
            return Err(ReplayError::Stopped);
        };
        queue.blocking_send(job).map_err(|_| ReplayError::Stopped)
    })
}
