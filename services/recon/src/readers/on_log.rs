//! The reader of entries, orders or items: folds what rows say into digests, and keeps the tails of what
//! vouchers must cover.

use crate::app::seen::Seen;
use crate::domain::effect::{Effect, Effective};
use crate::domain::saying::Saying;
use crate::store::digests::{self, Fold, Place};
use chrono::{DateTime, Utc};
use contracts::digest::Digest;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::log::{LogName, LogRow, Seq};
use contracts::order::Order;
use ids::Partition;
use pg::Db;
use seqlog::{ApplyError, Handler, RolledBack, Slice};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A row that recon folds.
pub trait Foldable: Saying {
    /// What the row must become in the vouchers; `None` where it moves nothing, or no voucher is made of it.
    fn voucher_effect(&self) -> Option<Effect>;
}

impl Foldable for Entry {
    fn voucher_effect(&self) -> Option<Effect> {
        self.effect()
    }
}

impl Foldable for Order {
    fn voucher_effect(&self) -> Option<Effect> {
        None
    }
}

impl Foldable for Item {
    fn voucher_effect(&self) -> Option<Effect> {
        self.effect()
    }
}

/// The effects of consecutive rows: partition, after, until, effects.
type TailPart = (Partition, Seq, Seq, Vec<Effect>);

/// Folds the rows of one log.
pub struct OnLog<R> {
    db: Db,
    seen: Seen,
    planned: Vec<TailPart>,
    rows: PhantomData<R>,
}

impl<R: Foldable> OnLog<R> {
    pub fn new(db: Db, seen: Seen) -> OnLog<R> {
        OnLog { db, seen, planned: Vec::new(), rows: PhantomData }
    }
}

fn fold_rows<R: Foldable>(slices: &[Slice<R>]) -> BTreeMap<Place, Fold> {
    let mut folds: BTreeMap<Place, Fold> = BTreeMap::new();
    for (partition, row) in
        slices.iter().flat_map(|slice| slice.rows.iter().map(|row| (slice.partition, row)))
    {
        let seq = row.stamp().seq;
        for fact in row.facts() {
            let place = (fact.pair, partition, row.stamp().minute);
            let empty = Fold { digest: Digest::default(), first_seq: seq, last_seq: seq };
            let fold = folds.entry(place).or_insert(empty);
            fold.digest.add(&fact);
            fold.last_seq = seq;
        }
    }
    folds
}

fn tail_part<R: Foldable>(slice: &Slice<R>) -> Option<TailPart> {
    let (first, last) = (slice.rows.first()?.stamp().seq, slice.rows.last()?.stamp().seq);
    let effects = slice.rows.iter().filter_map(Foldable::voucher_effect).collect();
    Some((slice.partition, first - 1, last, effects))
}

#[async_trait::async_trait]
impl<R: Foldable> Handler for OnLog<R> {
    type Row = R;

    fn name(&self) -> &'static str {
        match <R as LogRow>::LOG {
            LogName::Payments => "recon.payments",
            LogName::Entries => "recon.entries",
            LogName::Orders => "recon.orders",
            LogName::Items => "recon.items",
            LogName::Payouts => "recon.payouts",
            LogName::Vouchers => "recon.vouchers",
        }
    }

    async fn apply_in_tx(&mut self, tx: &mut PgConnection, slices: &[Slice<R>]) -> Result<(), ApplyError> {
        digests::add_in_tx(tx, &self.db, R::side, fold_rows(slices)).await?;
        self.planned = slices.iter().filter_map(tail_part).collect();
        Ok(())
    }

    async fn committed(&mut self) {
        for (partition, after, until, effects) in std::mem::take(&mut self.planned) {
            self.seen.add_tail((<R as LogRow>::LOG, partition), (after, until), effects);
        }
    }

    async fn rolled_back(&mut self, _: &[Partition], _: RolledBack) -> Result<Vec<Partition>, sqlx::Error> {
        self.planned.clear();
        Ok(Vec::new())
    }

    async fn closed(&mut self, partition: Partition, until: DateTime<Utc>) {
        self.seen.close((<R as LogRow>::LOG, partition), until);
    }
}
