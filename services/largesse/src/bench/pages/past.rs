//! What a long log leaves in finance's tables, made in bulk before any service starts.
//!
//! Made: the wallet's entries (`wallet::bench::seed`, whole); for each hundred of them vouchers with their sums, over 35
//! closed days and one that is locked softly; a payment for each account, matched with its bill's row, and the files; two
//! runs of each day with steps and reports; 10,000 breaks that are worked on and as many that are closed, with proposals
//! and every step in the trail; statements of every payee and day, weekly payouts, refund cases, contract files.
//!
//! Left out, because no page reads it: orders and items but for those of one partition, which the opened order, voucher
//! and breaks need; the logs of payments and payouts; digests; seals and assertions of closed days; rows of bills but
//! yesterday's, and earnings but a week's, which are opened by key. Nothing here is proven by `largesse check`: it makes
//! tables as long as they would be, not a history.

use crate::compose::migrate_all;
use crate::failure::Failure;
use contracts::lane::Lane;
use contracts::log::LogName;
use ids::Uuid;
use pg::Db;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use trail::Step;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub accounts: usize,
    pub entries_per_account: usize,
    /// Breaks that are worked on; as many are closed.
    pub breaks: i32,
    /// Payees with a statement every day.
    pub streamers: i32,
}

/// Breaks of the long system.
pub const BREAKS: i32 = 10_000;
/// Days behind today. Yesterday waits to be closed; those before it are.
const DAYS: i32 = 36;
/// Rows of a log that a voucher nets.
const VOUCHER_ROWS: i32 = 100;
/// Payees of the long system: as many as one batch of payouts may have lines.
pub const STREAMERS: i32 = 5_000;
/// Days of which earnings are kept: those of the statements that the page opens with.
const EARNING_DAYS: i32 = 7;
/// Weekly batches of payouts.
const WEEKS: i32 = 6;
/// Entries to one refund case that somebody asked for by hand.
const ENTRIES_PER_REFUND_CASE: usize = 2_000;
/// The partition whose orders and items are made.
const OPENED_PARTITION: i16 = 7;
/// Steps of the trail that one transaction appends.
const STEPS_PER_BATCH: usize = 10_000;

const PAST: &str = "
CREATE TEMP TABLE past (today date, days integer, voucher_rows integer, streamers integer, earning_days integer,
    weeks integer, refund_cases integer, breaks integer, opened_partition smallint, payments bigint)";

const FILL_PAST: &str = "
INSERT INTO past VALUES ((now() AT TIME ZONE 'UTC')::date, $1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Ids by kind and number, so that what belongs together is found without looking.
const ID: &str = "
CREATE FUNCTION pg_temp.id(kind integer, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('0192f0a0-' || lpad(to_hex(kind), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
$$";

/// How many accounts each partition was seeded with, and up to which seq. What a load appended later is not counted.
const SEEDED: &str = "
CREATE TEMP TABLE seeded AS
SELECT partition, count(*) AS accounts, count(*) * $1 AS rows FROM wallet.accounts GROUP BY partition";

/// What one service's log holds now, as its writer would say.
const HEADS: &str = "
INSERT INTO {schema}.log_head_groups (log, part_group, epochs, owners, closed_until, relayed_seqs, last_seqs,
    last_decided_at)
SELECT '{log}', p / 8, array_agg((last_seq > 0)::integer::bigint ORDER BY p), array_fill('seed'::text, '{8}'),
    array_fill(now() - interval '1 minute', '{8}'), array_agg(last_seq ORDER BY p), array_agg(last_seq ORDER BY p),
    now() - interval '1 minute'
FROM generate_series(0, 63) AS p, LATERAL (
    SELECT coalesce(max(seq), 0) AS last_seq FROM {log} WHERE partition = p) AS head
GROUP BY p / 8";

/// A reader has read everything, so that nothing is worked on while pages are measured.
const OFFSETS: &str = "
INSERT INTO {schema}.read_offsets (reader, log, partition, epoch, seq)
SELECT '{reader}', log, partition, epoch, last_seq FROM {source}.log_heads WHERE log = '{log}'";

/// Reading service, reader, log, and the service that writes it.
const READERS: [(&str, &str, LogName, &str); 8] = [
    ("gift", "gift.orders", LogName::Entries, "wallet"),
    ("settlement", "settlement.items", LogName::Orders, "gift"),
    ("clearing", "clearing.entries", LogName::Entries, "wallet"),
    ("clearing", "clearing.items", LogName::Items, "settlement"),
    ("recon", "recon.entries", LogName::Entries, "wallet"),
    ("recon", "recon.orders", LogName::Orders, "gift"),
    ("recon", "recon.items", LogName::Items, "settlement"),
    ("recon", "recon.vouchers", LogName::Vouchers, "clearing"),
];

/// Fills everything but the wallet, whose schema is full. `pool` must allow statements of many minutes.
///
/// # Errors
/// [`Failure::Database`], [`Failure::Sql`].
pub async fn seed(pool: &PgPool, size: Size) -> Result<(), Failure> {
    migrate_all(pool, &Lane::Live).await?;
    let mut connection = pool.acquire().await?;
    make_past(&mut connection, size).await?;
    for (what, log, sql) in [
        ("orders and refund cases", Some(("gift", LogName::Orders)), include_str!("gift.sql")),
        ("statements and payouts", Some(("settlement", LogName::Items)), include_str!("settlement.sql")),
        ("vouchers and periods", Some(("clearing", LogName::Vouchers)), include_str!("clearing.sql")),
        ("breaks, matches and runs", None, include_str!("recon.sql")),
    ] {
        println!("seeding {what}");
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
        if let Some((schema, log)) = log {
            let heads = HEADS.replace("{schema}", schema).replace("{log}", log.as_str());
            sqlx::raw_sql(AssertSqlSafe(heads)).execute(&mut *connection).await?;
        }
    }
    for (schema, reader, log, source) in READERS {
        let offsets = OFFSETS.replace("{schema}", schema).replace("{reader}", reader);
        let offsets = offsets.replace("{source}", source).replace("{log}", log.as_str());
        sqlx::raw_sql(AssertSqlSafe(offsets)).execute(&mut *connection).await?;
    }
    drop(connection);
    tell_steps(pool).await?;
    println!("looking at every table");
    sqlx::raw_sql("VACUUM (FREEZE, ANALYZE)").execute(pool).await?;
    sqlx::raw_sql("CHECKPOINT").execute(pool).await?;
    Ok(())
}

async fn make_past(connection: &mut PgConnection, size: Size) -> Result<(), Failure> {
    let Size { accounts, entries_per_account, breaks, streamers } = size;
    let cases = accounts * entries_per_account / ENTRIES_PER_REFUND_CASE;
    sqlx::raw_sql(ID).execute(&mut *connection).await?;
    sqlx::raw_sql(PAST).execute(&mut *connection).await?;
    sqlx::query(FILL_PAST)
        .bind(DAYS)
        .bind(VOUCHER_ROWS)
        .bind(streamers)
        .bind(EARNING_DAYS)
        .bind(WEEKS)
        .bind(i32::try_from(cases).unwrap_or(i32::MAX).max(1))
        .bind(breaks)
        .bind(OPENED_PARTITION)
        .bind(i64::try_from(accounts).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    // No parameter: a statement that makes a table takes none.
    let seeded = SEEDED.replace("$1", &entries_per_account.to_string());
    sqlx::raw_sql(AssertSqlSafe(seeded)).execute(connection).await?;
    Ok(())
}

const BREAKS_BY_STATE: &str = "SELECT break_id, state FROM recon.breaks ORDER BY break_no";

/// What brought a break to its state, as the trail tells it.
fn acts_to(state: i16) -> &'static [&'static str] {
    match state {
        2 => &["detected", "opened"],
        3 => &["detected", "opened", "assigned"],
        4 => &["detected", "opened", "assigned", "proposed"],
        7 => &["detected", "opened", "cleared"],
        8 => &["detected", "opened", "assigned", "proposed", "approved", "put_off"],
        _ => &["detected"],
    }
}

/// Every step of every break goes into the trail by recon's own chain: it verifies.
async fn tell_steps(pool: &PgPool) -> Result<(), Failure> {
    let db = Db::new(pool.clone(), "recon", &Lane::Live);
    let breaks: Vec<(Uuid, i16)> = sqlx::query_as(BREAKS_BY_STATE).fetch_all(pool).await?;
    let step = |break_id: Uuid, act| Step {
        actor: "recon".to_owned(),
        act,
        subject: break_id.to_string(),
        body: serde_json::json!({ "seeded": true }),
    };
    let steps: Vec<Step> = breaks
        .iter()
        .flat_map(|(break_id, state)| acts_to(*state).iter().map(|act| step(*break_id, act)))
        .collect();
    println!("telling {} steps of {} breaks", steps.len(), breaks.len());
    for batch in steps.chunks(STEPS_PER_BATCH) {
        let mut tx = db.begin().await?;
        trail::append_in_tx(&mut tx, &db, batch.to_vec(), chrono::Utc::now()).await?;
        tx.commit().await?;
    }
    Ok(())
}
