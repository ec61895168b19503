//! What the daily run keeps of the logs it read: payments as lines to be matched, and what accounts closed with.

use crate::domain::bill_line::{BillScope, OurLine};
use crate::domain::roll_forward::{AccountDay, Balances};
use chrono::NaiveDate;
use contracts::log::AccountingZone;
use contracts::payment::{Payment, PaymentKind};
use ids::{Partition, Uuid, ViewerId};
use pg::Db;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;

/// Rows one statement takes.
const CHUNK_LEN: usize = 1_000;

const KEEP_PAYMENTS: &str = "
INSERT INTO {s}.payment_lines (payment_id, partition, seq, day, paid_day, channel, channel_payment_id, account_id,
    amount_minor, currency, paid_coins, promo_coins)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::date[], $5::date[], $6::text[], $7::text[],
    $8::uuid[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[])
ON CONFLICT DO NOTHING";

const FIND_PAYMENTS: &str = "SELECT * FROM {s}.payment_lines WHERE payment_id = ANY($1)";

/// A payment as a line: positive where money came to us.
pub fn line_of(payment: &Payment, zone: AccountingZone) -> OurLine {
    let amount_minor = match payment.kind {
        PaymentKind::Recharge => payment.amount_minor,
        PaymentKind::ChannelRefund => payment.amount_minor.saturating_neg(),
    };
    OurLine {
        payment_id: payment.payment_id.to_string(),
        partition: payment.stamp.partition.number(),
        seq: payment.stamp.seq,
        day: payment.stamp.day,
        paid_day: zone.day_of(payment.paid_at),
        channel: payment.channel.clone(),
        channel_payment_id: payment.channel_payment_id.clone(),
        account_id: payment.account_id.to_string(),
        amount_minor,
        currency: payment.currency.clone(),
        paid_coins: payment.paid_coins.get(),
        promo_coins: payment.promo_coins.get(),
        payout: None,
        is_withdrawal: false,
    }
}

/// Keeps a day's payments; what was kept before stays. Returns those that differ from what was kept: as they are now,
/// and as they were (missing where another payment has their place).
///
/// # Errors
/// Whatever the database says; what was kept so far stays, and is found again.
pub async fn keep_payments(
    db: &Db,
    payments: &[(Uuid, OurLine)],
) -> Result<Vec<(OurLine, Option<OurLine>)>, sqlx::Error> {
    let mut changed = Vec::new();
    for chunk in payments.chunks(CHUNK_LEN) {
        let ids: Vec<Uuid> = chunk.iter().map(|(id, _)| *id).collect();
        let accounts: Vec<Uuid> =
            chunk.iter().map(|(_, line)| Uuid::try_parse(&line.account_id).unwrap_or_default()).collect();
        sqlx::query(db.sql(KEEP_PAYMENTS))
            .bind(&ids)
            .bind(chunk.iter().map(|(_, line)| line.partition).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.seq).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.day).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.paid_day).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.channel.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.channel_payment_id.as_str()).collect::<Vec<_>>())
            .bind(accounts)
            .bind(chunk.iter().map(|(_, line)| line.amount_minor).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.currency.as_str()).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.paid_coins).collect::<Vec<_>>())
            .bind(chunk.iter().map(|(_, line)| line.promo_coins).collect::<Vec<_>>())
            .execute(db.pool())
            .await?;
        let rows = sqlx::query(db.sql(FIND_PAYMENTS)).bind(&ids).fetch_all(db.pool()).await?;
        let kept = rows.iter().map(|row| our_line_of_row(row).map(|line| (line.payment_id.clone(), line)));
        let mut kept: BTreeMap<String, OurLine> = kept.collect::<Result<_, _>>()?;
        for (_, line) in chunk {
            let before = kept.remove(&line.payment_id);
            if before.as_ref() != Some(line) {
                changed.push((line.clone(), before));
            }
        }
    }
    Ok(changed)
}

fn our_line_of_row(row: &PgRow) -> Result<OurLine, sqlx::Error> {
    Ok(OurLine {
        payment_id: row.try_get::<Uuid, _>("payment_id")?.to_string(),
        partition: row.try_get("partition")?,
        seq: row.try_get("seq")?,
        day: row.try_get("day")?,
        paid_day: row.try_get("paid_day")?,
        channel: row.try_get("channel")?,
        channel_payment_id: row.try_get("channel_payment_id")?,
        account_id: row.try_get::<Uuid, _>("account_id")?.to_string(),
        amount_minor: row.try_get("amount_minor")?,
        currency: row.try_get("currency")?,
        paid_coins: row.try_get("paid_coins")?,
        promo_coins: row.try_get("promo_coins")?,
        payout: None,
        is_withdrawal: false,
    })
}

const GONE: &str = "
SELECT * FROM {s}.payment_lines
WHERE partition = $1 AND day = $2 AND NOT payment_id = ANY($3) ORDER BY seq LIMIT $4";

/// Payments of a partition's day that were kept and are not in the log any more.
///
/// # Errors
/// Whatever the database says.
pub async fn list_gone(
    db: &Db,
    (partition, day): (Partition, NaiveDate),
    here: &[Uuid],
    limit: i64,
) -> Result<Vec<OurLine>, sqlx::Error> {
    let list = sqlx::query(db.sql(GONE)).bind(partition.number()).bind(day).bind(here).bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(our_line_of_row).collect()
}

const FIND_PAYMENT: &str = "SELECT * FROM {s}.payment_lines WHERE payment_id = $1";

/// One payment as it was kept.
///
/// # Errors
/// Whatever the database says.
pub async fn find_payment(db: &Db, payment_id: Uuid) -> Result<Option<OurLine>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND_PAYMENT)).bind(payment_id).fetch_optional(db.pool()).await?;
    row.as_ref().map(our_line_of_row).transpose()
}

const LIST_OURS: &str = "
SELECT p.* FROM {s}.payment_lines p
WHERE p.channel = $1 AND (p.paid_day, p.payment_id) > ($2, $3) AND p.paid_day <= $4
    AND NOT EXISTS (SELECT FROM {s}.matched_rows r JOIN {s}.matches m ON m.match_id = r.match_id
                    WHERE r.scope = $5 AND r.side = 1 AND r.row_id = p.payment_id::text AND m.day <> $6)
ORDER BY p.paid_day, p.payment_id LIMIT $7";

/// Our lines of a channel from one day to another that no other day's match has, a page at a time.
///
/// # Errors
/// Whatever the database says.
pub async fn list_ours(
    db: &Db,
    (scope, channel): (BillScope, &str),
    (after, until): ((NaiveDate, Uuid), NaiveDate),
    day: NaiveDate,
    limit: i64,
) -> Result<Vec<OurLine>, sqlx::Error> {
    let list = sqlx::query(db.sql(LIST_OURS))
        .bind(channel.to_owned())
        .bind(after.0)
        .bind(after.1)
        .bind(until)
        .bind(scope.code())
        .bind(day)
        .bind(limit);
    list.fetch_all(db.pool()).await?.iter().map(our_line_of_row).collect()
}

// From each channel to the next one, and one look at each: a channel has millions of payments.
const CHANNELS: &str = "
WITH RECURSIVE channels AS (
    (SELECT channel FROM {s}.payment_lines ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT p.channel FROM {s}.payment_lines p WHERE p.channel > c.channel ORDER BY p.channel LIMIT 1)
    FROM channels c WHERE c.channel IS NOT NULL
)
SELECT c.channel FROM channels c
WHERE EXISTS (SELECT FROM {s}.payment_lines p WHERE p.channel = c.channel AND p.paid_day = $1)
   OR EXISTS (SELECT FROM {s}.payment_lines p WHERE p.channel = c.channel AND p.day = $1)
ORDER BY c.channel LIMIT $2";

/// Channels that payments of a day came through, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_channels(db: &Db, day: NaiveDate, limit: i64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(db.sql(CHANNELS)).bind(day).bind(limit).fetch_all(db.pool()).await
}

/// What was kept of an account's end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    pub account_id: ViewerId,
    pub last_seq: i64,
    pub balances: Balances,
}

const CLOSINGS_BEFORE: &str = "
SELECT DISTINCT ON (account_id) * FROM {s}.account_closings
WHERE account_id = ANY($1) AND day < $2 ORDER BY account_id, day DESC";

const CLOSINGS_OF: &str = "SELECT * FROM {s}.account_closings WHERE account_id = ANY($1) AND day = $2";

/// Which closings are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closings {
    /// The newest before a day.
    Before,
    Of,
}

/// Closings of some accounts, by account.
///
/// # Errors
/// Whatever the database says.
pub async fn list_closings(
    db: &Db,
    which: Closings,
    accounts: &[ViewerId],
    day: NaiveDate,
) -> Result<BTreeMap<ViewerId, Closing>, sqlx::Error> {
    let mut closings = BTreeMap::new();
    let list = match which {
        Closings::Before => CLOSINGS_BEFORE,
        Closings::Of => CLOSINGS_OF,
    };
    for chunk in accounts.chunks(CHUNK_LEN) {
        let ids: Vec<Uuid> = chunk.iter().map(|account| account.uuid()).collect();
        for row in sqlx::query(db.sql(list)).bind(ids).bind(day).fetch_all(db.pool()).await? {
            let closing = Closing {
                account_id: ViewerId::from_uuid(row.try_get("account_id")?),
                last_seq: row.try_get("last_seq")?,
                balances: Balances {
                    paid_coins: row.try_get("paid_coins")?,
                    promo_coins: row.try_get("promo_coins")?,
                    held_paid_coins: row.try_get("held_paid_coins")?,
                    held_promo_coins: row.try_get("held_promo_coins")?,
                },
            };
            closings.insert(closing.account_id, closing);
        }
    }
    Ok(closings)
}

const KEEP_CLOSINGS: &str = "
INSERT INTO {s}.account_closings (account_id, day, partition, last_seq, paid_coins, promo_coins, held_paid_coins,
    held_promo_coins)
SELECT c.account_id, $2, $3, c.last_seq, c.paid, c.promo, c.held_paid, c.held_promo
FROM unnest($1::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    AS c (account_id, last_seq, paid, promo, held_paid, held_promo)
ON CONFLICT DO NOTHING";

/// Keeps what accounts closed a day with; what was kept before stays.
///
/// # Errors
/// Whatever the database says; what was kept so far stays.
pub async fn keep_closings(
    db: &Db,
    (partition, day): (Partition, NaiveDate),
    accounts: &BTreeMap<ViewerId, AccountDay>,
) -> Result<(), sqlx::Error> {
    let all: Vec<(&ViewerId, &AccountDay)> = accounts.iter().collect();
    for chunk in all.chunks(CHUNK_LEN) {
        let column = |of: fn(&AccountDay) -> i64| chunk.iter().map(|(_, day)| of(day)).collect::<Vec<_>>();
        sqlx::query(db.sql(KEEP_CLOSINGS))
            .bind(chunk.iter().map(|(account, _)| account.uuid()).collect::<Vec<_>>())
            .bind(day)
            .bind(partition.number())
            .bind(column(|day| day.last_seq))
            .bind(column(|day| day.closing.paid_coins))
            .bind(column(|day| day.closing.promo_coins))
            .bind(column(|day| day.closing.held_paid_coins))
            .bind(column(|day| day.closing.held_promo_coins))
            .execute(db.pool())
            .await?;
    }
    Ok(())
}
