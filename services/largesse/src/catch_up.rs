//! Whether what was accepted has reached everybody: the readers of this process, and the tables.

use crate::compose::Stack;
use crate::failure::Failure;
use contracts::lane::Lane;
use contracts::log::LogName;
use seqlog::ReaderStatus;
use std::sync::Arc;
use std::time::Duration;

impl Stack {
    /// Readers of this process that lag or have stopped, by name: rows behind, and stopped partitions.
    pub fn readers(&self) -> Vec<(&'static str, ReaderStatus)> {
        let mut readers = Vec::new();
        if let Some(wallet) = &self.running().wallet {
            let statuses = wallet.reader_status();
            readers.extend(statuses.into_iter().map(|(log, status): (LogName, _)| (log.as_str(), status)));
        }
        if let Some(gift) = &self.running().gift {
            readers.push(("gift.orders", gift.status().borrow().reader.clone()));
        }
        if let Some(settlement) = &self.running().settlement {
            readers.push(("settlement.items", settlement.status()));
        }
        if let Some(clearing) = &self.running().clearing {
            readers.extend(clearing.status());
        }
        if let Some(recon) = &self.running().recon {
            readers.extend(recon.status());
        }
        readers
    }
}

/// How often the catching up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Who is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every reader; recon's where it runs.
    Everybody,
    /// Those who make the books.
    Booking,
}

impl Stack {
    /// Waits until every reader has applied what the logs hold, and every accepted gift is decided.
    ///
    /// # Errors
    /// [`Failure::NotCaughtUp`], with who lags or has stopped.
    pub async fn catch_up(&self, who: Who, limit: Duration) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let behind = self.behind(who).await?;
            if behind.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Failure::NotCaughtUp { seconds: limit.as_secs(), behind: behind.join(", ") });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Who is behind, in words; from the tables, because a reader does not know what it has not heard of.
    async fn behind(&self, who: Who) -> Result<Vec<String>, Failure> {
        let counts_recon = who == Who::Everybody && self.running().recon.is_some();
        let books = books::BooksDb::new(self.pool().clone(), &Lane::Live);
        let gaps = books::catch_up_gaps(&books)
            .await
            .map_err(|error| Failure::Start { service: "check", source: Box::new(error) })?;
        let mut behind: Vec<String> = gaps
            .iter()
            .filter(|gap| gap.lag_rows > 0)
            .filter(|gap| counts_recon || !gap.reader.starts_with("recon."))
            .map(|gap| format!("{} is {} rows behind {}", gap.reader, gap.lag_rows, gap.log))
            .collect();
        for (reader, status) in self.readers() {
            for (partition, reason) in status.stopped {
                behind.push(format!("{reader} stopped in partition {partition}: {reason}"));
            }
        }
        Ok(behind)
    }

    /// Rows not yet applied by the slowest reader, as a figure for the progress bar: how long ago it was level.
    pub fn lag_source(&self) -> loadtest::progress::LagSource {
        let statuses = self.reader_lags();
        let level_at = std::sync::Mutex::new(std::time::Instant::now());
        Arc::new(move || {
            let mut level_at = level_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if statuses() == 0 {
                *level_at = std::time::Instant::now();
            }
            Some(level_at.elapsed())
        })
    }

    fn reader_lags(&self) -> impl Fn() -> i64 + Send + Sync + 'static {
        let gift = self.running().gift.as_ref().map(gift::Running::status);
        move || gift.as_ref().map_or(0, |status| status.borrow().reader.lag_rows)
    }
}
