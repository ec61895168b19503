//! The reader of vouchers: keeps those whose source recon reads, to be compared with their rows.

use crate::app::seen::Seen;
use crate::store::voucher_ranges;
use chrono::{DateTime, Utc};
use contracts::log::LogName;
use contracts::voucher::Voucher;
use ids::Partition;
use pg::Db;
use seqlog::{ApplyError, Handler, Slice};
use sqlx::PgConnection;

/// Keeps vouchers to be compared.
pub struct OnVouchers {
    db: Db,
    seen: Seen,
}

impl OnVouchers {
    pub fn new(db: Db, seen: Seen) -> OnVouchers {
        OnVouchers { db, seen }
    }
}

#[async_trait::async_trait]
impl Handler for OnVouchers {
    type Row = Voucher;

    fn name(&self) -> &'static str {
        "recon.vouchers"
    }

    async fn apply_in_tx(
        &mut self,
        tx: &mut PgConnection,
        slices: &[Slice<Voucher>],
    ) -> Result<(), ApplyError> {
        let compared = |voucher: &&Voucher| matches!(voucher.source, LogName::Entries | LogName::Items);
        let vouchers: Vec<&Voucher> = slices.iter().flat_map(|slice| &slice.rows).filter(compared).collect();
        Ok(voucher_ranges::insert_in_tx(tx, &self.db, &vouchers).await?)
    }

    async fn closed(&mut self, partition: Partition, until: DateTime<Utc>) {
        self.seen.close((LogName::Vouchers, partition), until);
    }
}
