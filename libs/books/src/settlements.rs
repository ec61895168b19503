//! What channels have paid to us: every match of payments with a bank's statement that reconciliation has posted has its
//! voucher with these amounts, and no such voucher stands without its match.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Option<Invariant>, sqlx::Error> {
    if !snapshot.has(&[Schema::Recon, Schema::Clearing]) || !has_settlements(snapshot).await? {
        return Ok(None);
    }
    let wrong = format!(
        "SELECT format('match %s, turn %s: %s', coalesce(s.match_id, v.match_id), s.turn, CASE
                    WHEN s.match_id IS NULL THEN 'a voucher without its match'
                    WHEN v.match_id IS NULL THEN 'no voucher'
                    ELSE format('%s less %s kept, posted as %s off the receivable and %s to the bank', s.gross, s.fee,
                                v.gross, v.net) END)
         FROM (SELECT match_id, turn, request_id, partition, voucher_seq, gross_minor::numeric * 1000000 AS gross,
                      (gross_minor::numeric - net_minor) * 1000000 AS fee, net_minor::numeric * 1000000 AS net
               FROM {{recon}}.channel_settlements WHERE voucher_seq IS NOT NULL) s
         FULL JOIN (
             SELECT a.match_id, a.request_id, v.partition, v.seq,
                    coalesce(sum(l.credit - l.debit) FILTER (WHERE l.account = '1122'), 0) AS gross,
                    coalesce(sum(l.debit - l.credit) FILTER (WHERE l.account = '1002.01'), 0) AS net
             FROM {{clearing}}.vouchers v
             LEFT JOIN {{clearing}}.adjustments a ON a.partition = v.partition AND a.voucher_seq = v.seq,
                 LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
             WHERE v.rule = 'clearing.channel_settlement'
             GROUP BY a.match_id, a.request_id, v.partition, v.seq) v
             ON v.request_id = s.request_id AND v.partition = s.partition AND v.seq = s.voucher_seq
         WHERE (v.gross, v.net) IS DISTINCT FROM (s.gross, s.net)
             -- A voucher whose answer was lost is found posted when it is asked for again.
             AND NOT (s.match_id IS NULL AND EXISTS (
                 SELECT FROM {{recon}}.channel_settlements w WHERE w.request_id = v.request_id AND w.voucher_seq IS NULL
                     AND (w.gross_minor * 1000000::numeric, w.net_minor * 1000000::numeric) = (v.gross, v.net)))
         ORDER BY 1 LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [posted, gross, waiting] = snapshot
        .sums(
            "SELECT count(voucher_seq)::text, coalesce(sum(gross_minor) FILTER (WHERE voucher_seq IS NOT NULL), 0)::text,
                    count(*) FILTER (WHERE voucher_seq IS NULL)::text FROM {recon}.channel_settlements",
        )
        .await?;
    let figure = format!("{posted} posted, {gross} in minor units; {waiting} waiting");
    Ok(Some(Invariant::without_offenders("channel-settlements-equal-their-vouchers", figure, detail)))
}

/// Whether both schemas are new enough.
async fn has_settlements(snapshot: &mut Snapshot) -> Result<bool, sqlx::Error> {
    let rows = snapshot
        .rows(
            "SELECT to_regclass('{recon}.channel_settlements') IS NOT NULL AND EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = to_regclass('{clearing}.adjustments')
                    AND attname = 'match_id' AND NOT attisdropped) AS there",
        )
        .await?;
    rows.first().map_or(Ok(false), |row| sqlx::Row::try_get(row, "there"))
}
