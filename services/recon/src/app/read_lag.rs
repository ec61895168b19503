//! How far behind the comparison is, and why.

use super::compare_minutes::Progress;
use crate::domain::saying::name_of;
use chrono::{DateTime, Utc};
use contracts::digest::Pair;
use contracts::log::minute_of;
use ids::PARTITION_COUNT;
use seqlog::ReaderStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far the comparison has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lag {
    pub pairs: Vec<PairLag>,
    pub readers: Vec<ReaderLag>,
}

/// How far one pair of logs is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PairLag {
    pub pair: String,
    /// Everything before this instant is compared, in every partition; missing until all have been.
    pub compared_until: Option<DateTime<Utc>>,
    /// Seconds since the end of the oldest minute that has ended and is not compared; 0 when there is none.
    pub lag_s: i64,
}

/// What one reader has left to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReaderLag {
    pub reader: String,
    pub lag_rows: i64,
    /// Partitions that stopped, each with the reason.
    pub stopped: Vec<String>,
}

/// The lag of every pair at `now`.
pub fn lag_of_pairs(progress: &Progress, now: DateTime<Utc>) -> Vec<PairLag> {
    Pair::ALL.into_iter().map(|pair| lag_of_pair(pair, progress, now)).collect()
}

fn lag_of_pair(pair: Pair, progress: &Progress, now: DateTime<Utc>) -> PairLag {
    let minutes: Vec<_> =
        progress.iter().filter(|((p, _), _)| *p == pair).map(|(_, minute)| *minute).collect();
    let everywhere = minutes.len() == usize::from(PARTITION_COUNT);
    let oldest = minutes.into_iter().min().filter(|_| everywhere);
    let start_of = |minute: i32| DateTime::from_timestamp(i64::from(minute) * 60, 0);
    let lag_s = match oldest {
        Some(minute) if minute < minute_of(now) => {
            let ended = start_of(minute.saturating_add(1)).unwrap_or(now);
            (now - ended).num_seconds().max(0)
        }
        Some(_) | None => 0,
    };
    PairLag { pair: name_of(pair).to_owned(), compared_until: oldest.and_then(start_of), lag_s }
}

/// What readers have left, by name.
pub fn lag_of_readers(statuses: &[(&'static str, ReaderStatus)]) -> Vec<ReaderLag> {
    let one = |(name, status): &(&'static str, ReaderStatus)| ReaderLag {
        reader: (*name).to_owned(),
        lag_rows: status.lag_rows,
        stopped: status.stopped.iter().map(|(partition, why)| format!("{partition}: {why}")).collect(),
    };
    statuses.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Partition;

    #[test]
    fn a_pair_lags_from_the_end_of_its_oldest_minute() {
        let now = DateTime::from_timestamp(600 * 60 + 7, 0).expect("an instant");
        let mut progress: Progress =
            Partition::all().map(|partition| ((Pair::OrdersItems, partition), 600)).collect();
        assert_eq!(lag_of_pair(Pair::OrdersItems, &progress, now).lag_s, 0);
        assert_eq!(lag_of_pair(Pair::EntriesOrders, &progress, now).compared_until, None);
        let third = Partition::try_new(3).expect("a partition");
        progress.insert((Pair::OrdersItems, third), 599);
        assert_eq!(lag_of_pair(Pair::OrdersItems, &progress, now).lag_s, 7);
        progress.insert((Pair::OrdersItems, third), 598);
        assert_eq!(lag_of_pair(Pair::OrdersItems, &progress, now).lag_s, 67);
    }
}
