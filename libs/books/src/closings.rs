//! Closed accounting days: every voucher, sum and balance is as it was when two people closed the day.
//!
//! Clearing wrote down a print of each voucher and what each account moved and held. Here all of it is made again from
//! the vouchers, by statements of this crate's own.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};
use sqlx::Row;

/// Everything a voucher `v` says, in 64 bits, as clearing sealed it.
const PRINT: &str = "('x' || encode(substr(sha256(convert_to(concat_ws('|', v.partition, v.seq, v.epoch,
    (extract(epoch FROM v.decided_at) * 1000000)::bigint, v.minute, v.day - DATE '1970-01-01', v.origin_seq, v.rule,
    v.source, v.from_seq, v.to_seq, v.posted_day - DATE '1970-01-01', v.row_count, v.coins,
    array_to_string(v.accounts, ','), array_to_string(v.debits, ','), array_to_string(v.credits, ',')), 'UTF8')),
    1, 8), 'hex'))::bit(64)::bigint";

/// The closing in force of each closed day.
const LATEST: &str = "latest AS (
    SELECT DISTINCT ON (c.day) c.day, c.version, c.sealed_version, c.digest
    FROM {clearing}.day_closings c JOIN {clearing}.periods p ON p.day = c.day AND p.state = 3
    ORDER BY c.day, c.version DESC)";

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    if !snapshot.has(&[Schema::Clearing]) || !has_closings(snapshot).await? {
        return Ok(Vec::new());
    }
    Ok(vec![
        vouchers_are_as_sealed(snapshot).await?,
        balances_hold(snapshot).await?,
        late_vouchers_have_a_reason(snapshot).await?,
    ])
}

/// Whether clearing's schema is new enough to close days.
async fn has_closings(snapshot: &mut Snapshot) -> Result<bool, sqlx::Error> {
    let rows = snapshot.rows("SELECT to_regclass('{clearing}.day_closings') IS NOT NULL AS there").await?;
    rows.first().map_or(Ok(false), |row| row.try_get("there"))
}

async fn vouchers_are_as_sealed(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let sealed = format!(
        "WITH {LATEST},
         sealed AS (
             SELECT s.day, s.partition, u.seq, u.print FROM latest l
             JOIN {{clearing}}.voucher_seals s ON s.day = l.day AND s.version = l.sealed_version,
                  LATERAL unnest(s.seqs, s.prints) AS u (seq, print))"
    );
    let wrong = format!(
        "{sealed},
         found AS (
             SELECT v.posted_day AS day, v.partition, v.seq, v.rule, {PRINT} AS print FROM {{clearing}}.vouchers v
             WHERE v.posted_day IN (SELECT day FROM {{clearing}}.periods WHERE state = 3))
         SELECT offender FROM (
             SELECT day, partition, seq, format('voucher %s-%s in the books of %s%s %s', partition, seq, day,
                 ' (' || found.rule || ')', CASE
                     WHEN found.print IS NULL THEN 'is gone'
                     WHEN sealed.print IS NULL THEN 'was not there when the day was closed'
                     ELSE 'is not as it was when the day was closed' END) AS offender
             FROM sealed FULL JOIN found USING (day, partition, seq)
             WHERE sealed.print IS DISTINCT FROM found.print
             UNION ALL
             SELECT l.day, 0, 0, format('the seals of %s are not those of its closing', l.day) FROM latest l
             WHERE l.digest <> (SELECT coalesce(sum(s.print::numeric), 0) FROM sealed s WHERE s.day = l.day)) o
         ORDER BY day, partition, seq LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let counted =
        format!("{sealed} SELECT (SELECT count(*) FROM latest)::text, (SELECT count(*) FROM sealed)::text");
    let [days, vouchers] = snapshot.sums(&counted).await?;
    let figure = format!("{days} closed days, {vouchers} vouchers");
    Ok(Invariant::without_offenders("closed-days-are-as-they-were-closed", figure, detail))
}

/// What each account moved on a closed day and held at its end. Balances rest on the days before, so those behind a
/// day that was reopened say nothing until it is closed again.
async fn balances_hold(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let wrong = format!(
        "WITH {LATEST},
         asserted AS (
             SELECT a.* FROM latest l JOIN {{clearing}}.balance_assertions a
                 ON a.day = l.day AND a.version = l.version),
         moved AS (
             SELECT o.day, o.account, sum(o.debit) AS debit, sum(o.credit) AS credit, count(*) AS vouchers,
                    sum(o.print) AS digest
             FROM (SELECT v.posted_day AS day, l.account, sum(l.debit) AS debit, sum(l.credit) AS credit, v.print
                   FROM (SELECT v.posted_day, v.partition, v.seq, v.accounts, v.debits, v.credits,
                                ({PRINT})::numeric AS print FROM {{clearing}}.vouchers v) v,
                        LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
                   GROUP BY v.posted_day, v.partition, v.seq, v.print, l.account) o
             GROUP BY o.day, o.account),
         compared AS (
             SELECT day, account, a.day IS NOT NULL AS is_asserted,
                 (a.debit_micro, a.credit_micro, a.voucher_count, a.digest)
                     IS DISTINCT FROM (coalesce(m.debit, 0), coalesce(m.credit, 0), coalesce(m.vouchers, 0),
                                       coalesce(m.digest, 0)) AS moved_otherwise,
                 a.balance_micro, sum(coalesce(m.debit - m.credit, 0)) OVER (PARTITION BY account ORDER BY day) AS held
             FROM asserted a FULL JOIN moved m USING (day, account))
         SELECT format('account %s on %s %s', account, c.day, CASE
                 WHEN NOT is_asserted THEN 'moved and was not asserted'
                 WHEN moved_otherwise THEN 'moved otherwise than was asserted'
                 ELSE format('holds %s, asserted %s', held, balance_micro) END)
         FROM compared c JOIN latest USING (day)
         WHERE NOT is_asserted OR moved_otherwise OR (held <> balance_micro AND c.day < (
             SELECT coalesce(min(p.day), 'infinity'::date) FROM {{clearing}}.periods p WHERE p.state <> 3))
         ORDER BY c.day, account LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let counted = format!(
        "WITH {LATEST} SELECT count(*)::text FROM latest l JOIN {{clearing}}.balance_assertions a
             ON a.day = l.day AND a.version = l.version"
    );
    let [assertions] = snapshot.sums(&counted).await?;
    Ok(Invariant::without_offenders(
        "balances-of-closed-days-hold",
        format!("{assertions} assertions"),
        detail,
    ))
}

/// A voucher stands in a later day than its own only where its own was locked.
async fn late_vouchers_have_a_reason(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let wrong = format!(
        "SELECT format('voucher %s-%s of %s (%s) stands in the books of %s', v.partition, v.seq, v.day, v.rule,
                       v.posted_day)
         FROM {{clearing}}.vouchers v
         WHERE v.posted_day <> v.day
           AND NOT EXISTS (SELECT FROM {{clearing}}.period_requests r
                           WHERE r.state > 1 AND v.day BETWEEN r.first_day AND r.last_day)
           AND NOT EXISTS (SELECT FROM {{clearing}}.periods p WHERE p.day = v.day AND p.state = 3)
         ORDER BY v.partition, v.seq LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let late = "SELECT count(*)::text FROM {clearing}.vouchers WHERE posted_day <> day";
    let [late] = snapshot.sums(late).await?;
    Ok(Invariant::without_offenders(
        "late-vouchers-are-of-locked-days",
        format!("{late} late vouchers"),
        detail,
    ))
}
