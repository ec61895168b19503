//! The table `payees`, and what moves in it: balances and the moves that explain them are written together.

use crate::domain::payee_money::{MoneyEvent, MoveError, PayeeKey, PayeeMoney};
use crate::store::payouts::class_of_row;
use contracts::payout::{PayeeMove, PayoutKind};
use ids::{Uuid, partition_of};
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

const ENSURE: &str = "
INSERT INTO {s}.payees (payee_kind, payee_id, partition)
SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::smallint[]) AS p (kind, id, partition) ORDER BY kind, id
ON CONFLICT (payee_kind, payee_id) DO NOTHING";

const LOCK: &str = "
SELECT p.* FROM {s}.payees p
JOIN unnest($1::smallint[], $2::uuid[]) AS k (kind, id) ON p.payee_kind = k.kind AND p.payee_id = k.id
ORDER BY p.payee_kind, p.payee_id FOR UPDATE OF p";

const STORE: &str = "
UPDATE {s}.payees p SET last_seq = n.last_seq, released_minor = n.released, available_minor = n.available,
    requested_minor = n.requested, in_flight_minor = n.in_flight, paid_minor = n.paid, withheld_minor = n.withheld,
    receivable_minor = n.receivable
FROM unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[])
    AS n (kind, id, last_seq, released, available, requested, in_flight, paid, withheld, receivable)
WHERE p.payee_kind = n.kind AND p.payee_id = n.id";

const STORE_MOVES: &str = "
INSERT INTO {s}.moves_due (partition, kind, payee_kind, payee_id, payee_seq, released_minor, available_minor,
    requested_minor, in_flight_minor, paid_minor, withheld_minor, receivable_minor, reference)
SELECT n.partition, n.kind, n.payee_kind, n.payee_id, n.payee_seq, n.released, n.available, n.requested, n.in_flight,
    n.paid, n.withheld, n.receivable, n.reference
FROM unnest($1::smallint[], $2::smallint[], $3::smallint[], $4::uuid[], $5::bigint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[])
    WITH ORDINALITY AS n (partition, kind, payee_kind, payee_id, payee_seq, released, available, requested,
        in_flight, paid, withheld, receivable, reference, place)
ORDER BY n.place";

const FIND: &str = "SELECT * FROM {s}.payees WHERE payee_kind = $1 AND payee_id = $2";

/// One payee as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stored {
    money: PayeeMoney,
    last_seq: i64,
}

struct Moved {
    key: PayeeKey,
    kind: PayoutKind,
    payee_seq: i64,
    moved: PayeeMove,
    reference: String,
}

/// Payees locked in a transaction, and what is to move between them.
#[derive(Default)]
pub(crate) struct Payees {
    stored: BTreeMap<PayeeKey, Stored>,
    moves: Vec<Moved>,
}

impl Payees {
    /// Locks payees in the order of their keys, so that two transactions never wait for each other in a circle.
    pub async fn lock_in_tx(
        tx: &mut PgConnection,
        db: &Db,
        keys: &[PayeeKey],
    ) -> Result<Payees, sqlx::Error> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let kinds: Vec<i16> = keys.iter().map(|key| key.class.code()).collect();
        let ids: Vec<Uuid> = keys.iter().map(|key| key.id).collect();
        let partitions: Vec<i16> = ids.iter().map(|id| partition_of(*id).number()).collect();
        sqlx::query(db.sql(ENSURE)).bind(&kinds).bind(&ids).bind(partitions).execute(&mut *tx).await?;
        let rows = sqlx::query(db.sql(LOCK)).bind(&kinds).bind(&ids).fetch_all(tx).await?;
        let stored = rows.iter().map(stored_of_row).collect::<Result<_, sqlx::Error>>()?;
        Ok(Payees { stored, moves: Vec::new() })
    }

    /// What a locked payee has.
    pub fn money(&self, key: PayeeKey) -> PayeeMoney {
        self.stored.get(&key).map(|stored| stored.money).unwrap_or_default()
    }

    /// Moves a locked payee's money, in memory.
    ///
    /// # Errors
    /// [`MoveError`]; nothing moved.
    pub fn apply(&mut self, key: PayeeKey, event: MoneyEvent, reference: &str) -> Result<(), MoveError> {
        let stored = self.stored.get_mut(&key).ok_or(MoveError::Elsewhere)?;
        let moved = stored.money.moves(event)?;
        stored.money = stored.money.after(moved)?;
        stored.last_seq += 1;
        let (kind, payee_seq, reference) = (event.kind(), stored.last_seq, reference.to_owned());
        self.moves.push(Moved { key, kind, payee_seq, moved, reference });
        Ok(())
    }

    /// Stores what moved: the balances, and the moves for the log.
    pub async fn store_in_tx(self, tx: &mut PgConnection, db: &Db) -> Result<(), sqlx::Error> {
        if self.moves.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&PayeeMoney) -> i64| -> Vec<i64> {
            self.stored.values().map(|stored| of(&stored.money)).collect()
        };
        sqlx::query(db.sql(STORE))
            .bind(self.stored.keys().map(|key| key.class.code()).collect::<Vec<_>>())
            .bind(self.stored.keys().map(|key| key.id).collect::<Vec<_>>())
            .bind(self.stored.values().map(|stored| stored.last_seq).collect::<Vec<_>>())
            .bind(column(|money| money.released))
            .bind(column(|money| money.available))
            .bind(column(|money| money.requested))
            .bind(column(|money| money.in_flight))
            .bind(column(|money| money.paid))
            .bind(column(|money| money.withheld))
            .bind(column(|money| money.receivable))
            .execute(&mut *tx)
            .await?;
        let deltas =
            |of: fn(&PayeeMove) -> i64| -> Vec<i64> { self.moves.iter().map(|row| of(&row.moved)).collect() };
        sqlx::query(db.sql(STORE_MOVES))
            .bind(self.moves.iter().map(|row| row.key.partition().number()).collect::<Vec<_>>())
            .bind(self.moves.iter().map(|row| row.kind.code()).collect::<Vec<_>>())
            .bind(self.moves.iter().map(|row| row.key.class.code()).collect::<Vec<_>>())
            .bind(self.moves.iter().map(|row| row.key.id).collect::<Vec<_>>())
            .bind(self.moves.iter().map(|row| row.payee_seq).collect::<Vec<_>>())
            .bind(deltas(|moved| moved.released_minor))
            .bind(deltas(|moved| moved.available_minor))
            .bind(deltas(|moved| moved.requested_minor))
            .bind(deltas(|moved| moved.in_flight_minor))
            .bind(deltas(|moved| moved.paid_minor))
            .bind(deltas(|moved| moved.withheld_minor))
            .bind(deltas(|moved| moved.receivable_minor))
            .bind(self.moves.iter().map(|row| row.reference.clone()).collect::<Vec<_>>())
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// One payee's money; all zero where nothing was ever released.
pub(crate) async fn find_money(db: &Db, key: PayeeKey) -> Result<PayeeMoney, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(key.class.code()).bind(key.id).fetch_optional(db.pool()).await?;
    row.as_ref().map_or_else(|| Ok(PayeeMoney::default()), |row| Ok(stored_of_row(row)?.1.money))
}

fn stored_of_row(row: &PgRow) -> Result<(PayeeKey, Stored), sqlx::Error> {
    let key = PayeeKey { class: class_of_row(row)?, id: row.try_get("payee_id")? };
    let money = PayeeMoney {
        released: row.try_get("released_minor")?,
        available: row.try_get("available_minor")?,
        requested: row.try_get("requested_minor")?,
        in_flight: row.try_get("in_flight_minor")?,
        paid: row.try_get("paid_minor")?,
        withheld: row.try_get("withheld_minor")?,
        receivable: row.try_get("receivable_minor")?,
    };
    Ok((key, Stored { money, last_seq: row.try_get("last_seq")? }))
}
