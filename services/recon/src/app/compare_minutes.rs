//! Compares closed minutes: digests first, rows only where digests differ.
//!
//! One read of digests per pair and partition, and one transaction to record everything that agrees; a partition
//! with breaks is recorded by itself. Rows are read between the two, never inside a transaction. A minute is compared
//! once: after it is closed on both sides it cannot change.

use super::seen::Seen;
use super::sources::{Sources, read_range};
use crate::domain::break_kind::BreakKind;
use crate::domain::compare::{Finding, compare_facts};
use crate::domain::saying::{Saying, Side, logs_of, name_of};
use crate::domain::severity::Severities;
use crate::store::breaks::NewBreak;
use crate::store::digests::{self, Fold};
use crate::store::marks::{self, Compared, Outcome};
use contracts::digest::{Fact, Pair};
use contracts::log::{Minute, Seq};
use ids::Partition;
use pg::Db;
use seqlog::{LogSource, PullError};
use std::collections::{BTreeMap, BTreeSet};

/// Digests one turn reads of one partition; more wait for the next turn.
const DIGESTS_MAX: i64 = 4_000;

/// Why a comparison did not finish. It is repeated.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("recon's database failed")]
    Db(#[from] sqlx::Error),
    #[error(transparent)]
    Pull(#[from] PullError),
}

/// Up to which minute (exclusive) each pair's partitions are compared.
pub type Progress = BTreeMap<(Pair, Partition), Minute>;

/// Compares everything that is closed on both sides and was not compared yet.
///
/// # Errors
/// [`CompareError`] of the first partition that failed; the others are compared all the same.
pub async fn compare_minutes(
    db: &Db,
    seen: &Seen,
    sources: &Sources,
    severities: &Severities,
    progress: &mut Progress,
) -> Result<(), CompareError> {
    let (mut agreeing, mut failed) = (Vec::new(), None);
    for place in Pair::ALL.into_iter().flat_map(|pair| Partition::all().map(move |p| (pair, p))) {
        let (before, after) = logs_of(place.0);
        let open = (seen.open_minute((before, place.1)), seen.open_minute((after, place.1)));
        let (Some(before), Some(after)) = open else { continue };
        let until = before.min(after);
        let from = progress.get(&place).copied().unwrap_or(0);
        if from >= until {
            continue;
        }
        match compare_place(db, sources, place, (from, until)).await {
            Ok((compared, found)) if found.is_empty() => agreeing.push(compared),
            Ok((compared, found)) => {
                let recorded = record(db, &[compared], (&found, severities), progress).await;
                failed = failed.or(recorded.err());
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed = failed.or(record(db, &agreeing, (&[], severities), progress).await.err());
    failed.map_or(Ok(()), Err)
}

async fn record(
    db: &Db,
    compared: &[Compared],
    found: (&[NewBreak], &Severities),
    progress: &mut Progress,
) -> Result<(), CompareError> {
    let new = marks::record_compared(db, compared, found).await?;
    for Compared { place, before, .. } in compared {
        report(&new, name_of(place.0), place.1);
        progress.insert(*place, *before);
    }
    Ok(())
}

async fn compare_place(
    db: &Db,
    sources: &Sources,
    place: (Pair, Partition),
    (from, until): (Minute, Minute),
) -> Result<(Compared, Vec<NewBreak>), CompareError> {
    let digests = digests::list(db, place, (from, until), DIGESTS_MAX).await?;
    let full = i64::try_from(digests.len()).is_ok_and(|len| len == DIGESTS_MAX);
    // With more to come, the last minute may be half read: leave it to the next turn.
    let until = digests.last().filter(|_| full).map_or(until, |(minute, _, _)| *minute);
    let mut minutes: BTreeMap<Minute, (Option<Fold>, Option<Fold>)> = BTreeMap::new();
    for (minute, side, fold) in digests.into_iter().filter(|(minute, _, _)| *minute < until) {
        let sides = minutes.entry(minute).or_default();
        match side {
            Side::Before => sides.0 = Some(fold),
            Side::After => sides.1 = Some(fold),
        }
    }
    let (mut outcomes, mut found) = (BTreeMap::new(), Vec::new());
    for (minute, (before, after)) in minutes {
        let digest = |fold: Option<Fold>| fold.map(|fold| fold.digest).unwrap_or_default();
        if digest(before) == digest(after) {
            outcomes.insert(minute, Outcome::Equal);
            continue;
        }
        outcomes.insert(minute, Outcome::Different);
        metrics::counter!("largesse_recon_minutes_different_total", "pair" => name_of(place.0)).increment(1);
        found.extend(breaks_of_minute(sources, place, minute, [before, after]).await?);
    }
    Ok((Compared { place, minutes: outcomes, before: until }, found))
}

/// What differs in one minute whose digests do.
///
/// # Errors
/// [`CompareError`]: a log is away.
pub async fn breaks_of_minute(
    sources: &Sources,
    place: (Pair, Partition),
    minute: Minute,
    sides: [Option<Fold>; 2],
) -> Result<Vec<NewBreak>, CompareError> {
    let ranges = sides.map(|fold| fold.map(|fold| (fold.first_seq, fold.last_seq)));
    let findings = compare_rows(sources, place, minute, ranges).await?;
    if findings.is_empty() {
        return Ok(vec![digest_break(place, minute, sides)]);
    }
    Ok(findings.iter().map(|finding| break_of(place, minute, finding)).collect())
}

/// The keys of the facts that differ in one minute, as its digests stand now.
///
/// # Errors
/// [`CompareError`]: a log is away.
pub async fn differences_of_minute(
    sources: &Sources,
    place: (Pair, Partition),
    minute: Minute,
    (before, after): (Option<Fold>, Option<Fold>),
) -> Result<BTreeSet<String>, CompareError> {
    let digest = |fold: Option<Fold>| fold.map(|fold| fold.digest).unwrap_or_default();
    if digest(before) == digest(after) {
        return Ok(BTreeSet::new());
    }
    let differs = breaks_of_minute(sources, place, minute, [before, after]).await?;
    Ok(differs.into_iter().map(|found| found.fact_key).collect())
}

/// Says loudly that breaks were found.
pub fn report(new: &[BreakKind], logs: &'static str, partition: Partition) {
    for kind in new {
        tracing::error!(kind = kind.as_str(), logs, %partition, "recon found a break");
        metrics::counter!("largesse_recon_breaks_total", "kind" => kind.as_str()).increment(1);
    }
}

async fn compare_rows(
    sources: &Sources,
    (pair, partition): (Pair, Partition),
    minute: Minute,
    [before, after]: [Option<(Seq, Seq)>; 2],
) -> Result<Vec<Finding>, PullError> {
    let facts = match pair {
        Pair::EntriesOrders => (
            read_facts(&*sources.entries, (pair, partition), minute, before).await?,
            read_facts(&*sources.orders, (pair, partition), minute, after).await?,
        ),
        Pair::OrdersItems => (
            read_facts(&*sources.orders, (pair, partition), minute, before).await?,
            read_facts(&*sources.items, (pair, partition), minute, after).await?,
        ),
    };
    Ok(compare_facts(&facts.0, &facts.1))
}

async fn read_facts<R: Saying>(
    source: &dyn LogSource<R>,
    (pair, partition): (Pair, Partition),
    minute: Minute,
    range: Option<(Seq, Seq)>,
) -> Result<Vec<(Seq, Fact)>, PullError> {
    let Some(range) = range else { return Ok(Vec::new()) };
    let of = |row: &R, facts: &mut Vec<(Seq, Fact)>| {
        if row.stamp().minute == minute {
            let said = row.facts().into_iter().filter(|fact| fact.pair == pair);
            facts.extend(said.map(|fact| (row.stamp().seq, fact)));
        }
    };
    read_range(source, partition, range, of).await
}

fn break_of((pair, partition): (Pair, Partition), minute: Minute, finding: &Finding) -> NewBreak {
    let (logs, kind) = (name_of(pair), finding.kind.as_str());
    // One order may state one fact several times; the seqs tell those apart, the same at every run.
    let seqs = [finding.before, finding.after].map(|side| side.map_or(0, |stated| stated.seq));
    NewBreak {
        fact_key: format!("{logs}/{partition}/{minute}/{kind}/{}/{}/{}", finding.order_id, seqs[0], seqs[1]),
        kind: finding.kind,
        logs: logs.to_owned(),
        partition,
        minute: Some(minute),
        order_id: Some(finding.order_id),
        coins: finding.coins(),
        evidence: serde_json::json!({
            "fact": finding.fact, "before": finding.before, "after": finding.after,
        }),
        day: None,
    }
}

fn digest_break((pair, partition): (Pair, Partition), minute: Minute, sides: [Option<Fold>; 2]) -> NewBreak {
    let digests = sides.map(|fold| fold.map(|fold| fold.digest).unwrap_or_default());
    let logs = name_of(pair);
    NewBreak {
        fact_key: format!("{logs}/{partition}/{minute}/digest_mismatch"),
        kind: BreakKind::DigestMismatch,
        logs: logs.to_owned(),
        partition,
        minute: Some(minute),
        order_id: None,
        coins: digests[0].coins.wrapping_sub(digests[1].coins).saturating_abs(),
        evidence: serde_json::json!({ "before": digests[0], "after": digests[1] }),
        day: None,
    }
}
