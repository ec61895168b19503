//! Rows of one partition of a log in order, page by page, from the first of a day on; and what is missing between them.
//!
//! Memory is one page. Nothing is read inside a transaction.

use chrono::{DateTime, Utc};
use contracts::log::{LogName, LogRow, Seq};
use ids::Partition;
use seqlog::{LogSource, PULL_ROWS_MAX, PullError};
use std::collections::VecDeque;

/// Rows that should be there and are not: the first and the last of them.
pub type Gap = (Seq, Seq);

/// A reading of one partition.
pub struct DayRows<'a, R> {
    source: &'a dyn LogSource<R>,
    partition: Partition,
    page: VecDeque<R>,
    /// The last row that was handed out.
    at: Seq,
    /// The last row there was when the reading began.
    end: Seq,
    /// Up to when the log was closed when the reading began.
    pub closed_until: DateTime<Utc>,
    pub gaps: Vec<Gap>,
    pub rows: i64,
}

impl<'a, R: LogRow> DayRows<'a, R> {
    /// Begins before the first row that was decided at `from` or later: about as many looks as the log's length has
    /// binary digits.
    ///
    /// # Errors
    /// [`PullError`]: the log is away.
    pub async fn begin(
        source: &'a dyn LogSource<R>,
        partition: Partition,
        from: DateTime<Utc>,
    ) -> Result<DayRows<'a, R>, PullError> {
        let head = source.read_after(partition, 0, 1).await?;
        let (end, closed_until) = (head.head.last_seq, head.head.closed_until);
        let first = head.rows.first().filter(|row| row.stamp().decided_at >= from).map(|row| row.stamp().seq);
        let at = match first {
            // Days of entries before it may have been taken out of the log; of the others every row is there.
            Some(first) if R::LOG == LogName::Entries => first - 1,
            Some(_) => 0,
            None => before_instant(source, partition, end, from).await?,
        };
        let (page, gaps) = (VecDeque::new(), Vec::new());
        Ok(DayRows { source, partition, page, at, end, closed_until, gaps, rows: 0 })
    }

    /// The last row that was handed out; the one before the day at first.
    pub fn at(&self) -> Seq {
        self.at
    }

    /// The next row, as far as the log went when the reading began.
    ///
    /// # Errors
    /// [`PullError`]: the log is away.
    pub async fn next(&mut self) -> Result<Option<R>, PullError> {
        if self.page.is_empty() && self.at < self.end {
            let limit = PULL_ROWS_MAX.min(self.end - self.at);
            let page = self.source.read_after(self.partition, self.at, limit).await?;
            let (at, end) = (self.at, self.end);
            self.page.extend(page.rows.into_iter().filter(|row| (at + 1..=end).contains(&row.stamp().seq)));
            if self.page.is_empty() {
                self.gaps.push((self.at + 1, self.end));
                self.at = self.end;
            }
        }
        let Some(row) = self.page.pop_front() else { return Ok(None) };
        let seq = row.stamp().seq;
        if seq != self.at + 1 {
            self.gaps.push((self.at + 1, seq - 1));
        }
        self.at = seq;
        self.rows += 1;
        Ok(Some(row))
    }
}

/// The last seq before the first row decided at `from` or later. Times of a partition never run back.
async fn before_instant<R: LogRow>(
    source: &dyn LogSource<R>,
    partition: Partition,
    end: Seq,
    from: DateTime<Utc>,
) -> Result<Seq, PullError> {
    let (mut early, mut late) = (0, end + 1); // The first row at or behind `late` is late, at or behind `early` not.
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        let page = source.read_after(partition, middle - 1, 1).await?;
        match page.rows.first() {
            Some(row) if row.stamp().decided_at < from => early = row.stamp().seq.max(middle).min(late - 1),
            _ => late = middle,
        }
    }
    Ok(early)
}
