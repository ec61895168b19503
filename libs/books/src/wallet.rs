//! Coins: nothing is created or lost, every balance is the sum of its entries, none is negative.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    if !snapshot.has(&[Schema::Wallet]) {
        return Ok(Vec::new());
    }
    let mut lines = vec![
        fund_is_conserved(snapshot, "paid").await?,
        fund_is_conserved(snapshot, "promo").await?,
        balances_are_sums(snapshot).await?,
        snapshots_equal_entries(snapshot).await?,
        none_is_negative(snapshot).await?,
    ];
    if snapshot.has(&[Schema::Cashier]) {
        lines.push(receivables_agree(snapshot).await?);
    }
    Ok(lines)
}

/// What each viewer owes by the cashier is what the wallet could not take. The cashier learns it a moment later.
async fn receivables_agree(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let wrong = format!(
        "SELECT format('viewer %s owes %s by the cashier, %s by the wallet', coalesce(c.account_id, w.account_id),
                       coalesce(c.coins, 0), coalesce(w.coins, 0))
         FROM (SELECT account_id, sum(shortfall_coins) AS coins FROM {{cashier}}.withdrawals
               WHERE shortfall_coins > 0 GROUP BY account_id) c
         FULL JOIN (SELECT account_id, sum(shortfall_coins) AS coins,
                        sum(shortfall_coins) FILTER (WHERE decided_at < now() - interval '1 minute') AS of_before
                    FROM {{wallet}}.entries WHERE kind = 10 AND outcome = 0 AND shortfall_coins > 0
                    GROUP BY account_id) w ON w.account_id = c.account_id
         WHERE coalesce(c.coins, 0) > coalesce(w.coins, 0) OR coalesce(c.coins, 0) < coalesce(w.of_before, 0)
         ORDER BY 1 LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [owed, waiting] = snapshot
        .sums(
            "SELECT coalesce(sum(shortfall_coins), 0)::text, count(*) FILTER (WHERE known_at IS NULL)::text
             FROM {cashier}.withdrawals",
        )
        .await?;
    let figure = format!("{owed} coins owed, {waiting} withdrawals not heard of yet");
    Ok(Invariant::without_offenders("receivables-of-viewers-agree", figure, detail))
}

/// credited + returned = available + on hold + spent + expired + withdrawn, where what is available and on hold
/// is what each account's last entry says, and everything else is what entries changed.
async fn fund_is_conserved(snapshot: &mut Snapshot, fund: &str) -> Result<Invariant, sqlx::Error> {
    let change = format!("{fund}_delta_coins + held_{fund}_delta_coins");
    let of = |kinds: &str| format!("coalesce(sum({change}) FILTER (WHERE kind IN ({kinds})), 0)");
    let [credited, returned, spent, expired, withdrawn] = snapshot
        .sums(&format!(
            "SELECT {}::text, {}::text, (-{})::text, (-{})::text, (-{})::text FROM {{wallet}}.entries",
            of("1, 2, 3"),
            of("9"),
            of("4, 6"),
            of("11"),
            of("10"),
        ))
        .await?;
    let [available, held] = snapshot
        .sums(&format!(
            "SELECT coalesce(sum({fund}_after_coins), 0)::text, coalesce(sum(held_{fund}_after_coins), 0)::text
             FROM (SELECT DISTINCT ON (account_id) * FROM {{wallet}}.entries ORDER BY account_id, seq DESC) e"
        ))
        .await?;
    let figure = format!(
        "credited {credited} + returned {returned} = available {available} + on hold {held} + spent {spent} \
         + expired {expired} + withdrawn {withdrawn}"
    );
    let (left, right) = (credited + returned, available + held + spent + expired + withdrawn);
    Ok(Invariant::of_equality(&format!("{fund}-coins-are-conserved"), figure, left, right))
}

async fn balances_are_sums(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let funds = ["paid", "promo", "held_paid", "held_promo"];
    let differs = funds.map(|fund| {
        format!("{fund}_after_coins <> coalesce(lag({fund}_after_coins) OVER w, 0) + {fund}_delta_coins")
    });
    let differs = [&differs[..], &["previous_seq <> coalesce(lag(seq) OVER w, 0)".to_owned()]].concat();
    let wrong = format!(
        "SELECT format('account %s, entry %s of partition %s', account_id, seq, partition)
         FROM (SELECT account_id, partition, seq, {} AS wrong FROM {{wallet}}.entries
               WINDOW w AS (PARTITION BY account_id ORDER BY seq)) e
         WHERE wrong ORDER BY partition, seq LIMIT {OFFENDERS_MAX}",
        differs.join(" OR ")
    );
    let detail = snapshot.lines(&wrong).await?;
    let [entries, accounts] = snapshot
        .sums("SELECT count(*)::text, count(DISTINCT account_id)::text FROM {wallet}.entries")
        .await?;
    let figure = format!("{accounts} accounts, {entries} entries");
    Ok(Invariant::without_offenders("every-balance-is-the-sum-of-its-entries", figure, detail))
}

/// Saved balances, each to its row or packed with others.
const SAVED: &str = "
SELECT account_id, partition, as_of_seq, paid_coins, promo_coins, held_paid_coins, held_promo_coins
FROM {wallet}.accounts
UNION ALL
SELECT n.account_id, c.partition, n.as_of_seq, n.paid_coins, n.promo_coins, n.held_paid_coins, n.held_promo_coins
FROM {wallet}.account_changes c, unnest(c.account_ids, c.as_of_seqs, c.paid_coins, c.promo_coins,
    c.held_paid_coins, c.held_promo_coins)
    AS n (account_id, as_of_seq, paid_coins, promo_coins, held_paid_coins, held_promo_coins)";

async fn snapshots_equal_entries(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let wrong = format!(
        "SELECT format('account %s as of entry %s of partition %s', a.account_id, a.as_of_seq, a.partition)
         FROM ({SAVED}) a
         LEFT JOIN {{wallet}}.entries e
             ON e.partition = a.partition AND e.seq = a.as_of_seq AND e.account_id = a.account_id
         WHERE (a.paid_coins, a.promo_coins, a.held_paid_coins, a.held_promo_coins)
             IS DISTINCT FROM (coalesce(e.paid_after_coins, 0), coalesce(e.promo_after_coins, 0),
                               coalesce(e.held_paid_after_coins, 0), coalesce(e.held_promo_after_coins, 0))
             OR (a.as_of_seq > 0 AND e.seq IS NULL)
         ORDER BY a.account_id, a.as_of_seq LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [balances] = snapshot.sums(&format!("SELECT count(*)::text FROM ({SAVED}) a")).await?;
    let figure = format!("{balances} saved balances");
    Ok(Invariant::without_offenders("every-saved-balance-equals-its-entries", figure, detail))
}

async fn none_is_negative(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let negative = format!(
        "SELECT format('account %s, entry %s of partition %s', account_id, seq, partition) FROM {{wallet}}.entries
         WHERE least(paid_after_coins, promo_after_coins, held_paid_after_coins, held_promo_after_coins) < 0
         UNION ALL
         SELECT format('saved account %s', account_id) FROM {{wallet}}.accounts
         WHERE least(paid_coins, promo_coins, held_paid_coins, held_promo_coins) < 0
         LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&negative).await?;
    let [least] = snapshot
        .sums(
            "SELECT coalesce(min(least(paid_after_coins, promo_after_coins, held_paid_after_coins,
                held_promo_after_coins)), 0)::text FROM {wallet}.entries",
        )
        .await?;
    Ok(Invariant::without_offenders("no-balance-is-negative", format!("the least was {least}"), detail))
}
