//! The general ledger: vouchers are zero, the trial balance is zero and is theirs, and control accounts equal the
//! sub-ledgers they stand for.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    let mut lines = Vec::new();
    if snapshot.has(&[Schema::Settlement]) {
        lines.push(earnings_equal_items(snapshot).await?);
        lines.push(statements_equal_released(snapshot).await?);
        lines.push(payees_are_their_moves(snapshot).await?);
    }
    if !snapshot.has(&[Schema::Clearing]) {
        return Ok(lines);
    }
    lines.push(vouchers_are_zero(snapshot).await?);
    lines.push(trial_balance_is_zero(snapshot).await?);
    lines.push(trial_balance_equals_vouchers(snapshot).await?);
    lines.push(sums_by_rule_equal_vouchers(snapshot).await?);
    if snapshot.has(&[Schema::Wallet]) {
        lines.push(control(snapshot, &coins_account("paid", "2205.01")).await?);
        lines.push(control(snapshot, &coins_account("promo", "2205.02")).await?);
        lines.push(control(snapshot, &receivables_from_viewers()).await?);
    }
    if snapshot.has(&[Schema::Cashier]) {
        lines.push(control(snapshot, &channels()).await?);
    }
    if snapshot.has(&[Schema::Settlement]) {
        for (account, payee_kind, name) in [
            ("2241.01", 1, "pending-of-streamers-equals-2241-01"),
            ("2241.02", 2, "pending-of-agencies-equals-2241-02"),
            ("2221.01", 4, "tax-of-settlement-equals-2221-01"),
        ] {
            lines.push(control(snapshot, &earnings(account, payee_kind, name)).await?);
        }
        for (account, sum, name) in payees() {
            let sub_ledger = format!("SELECT ({sum} * 1000000)::text FROM {{settlement}}.payees");
            lines.push(control(snapshot, &Control { account, name: name.to_owned(), sub_ledger }).await?);
        }
    }
    for (account, needs, name) in [
        ("2206", [Schema::Wallet, Schema::Settlement], "gift-clearing-2206-is-zero"),
        ("2207", [Schema::Cashier, Schema::Wallet], "recharge-clearing-2207-is-zero"),
        ("2242", [Schema::Cashier, Schema::Wallet], "refund-clearing-2242-is-zero"),
    ] {
        if snapshot.has(&needs) {
            let zero = "SELECT '0'".to_owned();
            lines.push(
                control(snapshot, &Control { account, name: name.to_owned(), sub_ledger: zero }).await?,
            );
        }
    }
    Ok(lines)
}

async fn vouchers_are_zero(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let wrong = format!(
        "SELECT format('voucher %s of partition %s (%s)', seq, partition, rule) FROM {{clearing}}.vouchers v
         WHERE (SELECT sum(d::numeric) FROM unnest(v.debits) d)
             IS DISTINCT FROM (SELECT sum(c::numeric) FROM unnest(v.credits) c)
         ORDER BY partition, seq LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [vouchers, postings] = snapshot
        .sums("SELECT count(*)::text, coalesce(sum(cardinality(accounts)), 0)::text FROM {clearing}.vouchers")
        .await?;
    let figure = format!("{vouchers} vouchers, {postings} postings");
    Ok(Invariant::without_offenders("every-voucher-is-zero", figure, detail))
}

async fn trial_balance_is_zero(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let [debit, credit] = snapshot
        .sums(
            "SELECT coalesce(sum(debit_micro), 0)::text, coalesce(sum(credit_micro), 0)::text
             FROM {clearing}.account_days",
        )
        .await?;
    let figure = format!("debits {debit} − credits {credit} = {}", debit - credit);
    Ok(Invariant::of_equality("trial-balance-is-zero", figure, debit, credit))
}

async fn trial_balance_equals_vouchers(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let sums = Sums { table: "account_days", of: &["account"] };
    sums.equal_vouchers(snapshot, "trial-balance-equals-vouchers").await
}

/// What the roll-forward is made of.
async fn sums_by_rule_equal_vouchers(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let sums = Sums { table: "rule_days", of: &["rule", "account"] };
    sums.equal_vouchers(snapshot, "sums-by-rule-equal-vouchers").await
}

/// Sums of vouchers that a table keeps by day and partition group, and by more columns.
struct Sums {
    table: &'static str,
    of: &'static [&'static str],
}

impl Sums {
    async fn equal_vouchers(&self, snapshot: &mut Snapshot, name: &str) -> Result<Invariant, sqlx::Error> {
        let (table, columns) = (self.table, self.of.join(", "));
        let same: String = self.of.iter().map(|column| format!(" AND d.{column} = p.{column}")).collect();
        let named: Vec<String> = self.of.iter().map(|column| format!("{column} %s")).collect();
        let found: String =
            self.of.iter().map(|column| format!("coalesce(p.{column}, d.{column}), ")).collect();
        let wrong = format!(
            "SELECT format('{} on %s, group %s', {found}coalesce(p.posted_day, d.posted_day),
                           coalesce(p.part_group, d.part_group))
             FROM (SELECT posted_day, {columns}, part_group, sum(debit) AS debit, sum(credit) AS credit
                   FROM (SELECT v.posted_day, v.rule, v.partition / 8 AS part_group, l.*
                         FROM {{clearing}}.vouchers v,
                              LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)) line
                   GROUP BY posted_day, {columns}, part_group) p
             FULL JOIN {{clearing}}.{table} d
                 ON d.posted_day = p.posted_day AND d.part_group = p.part_group{same}
             WHERE p.debit IS DISTINCT FROM d.debit_micro::numeric OR p.credit IS DISTINCT FROM d.credit_micro::numeric
             ORDER BY 1 LIMIT {OFFENDERS_MAX}",
            named.join(" on "),
        );
        let detail = snapshot.lines(&wrong).await?;
        let [rows] = snapshot.sums(&format!("SELECT count(*)::text FROM {{clearing}}.{table}")).await?;
        let figure = format!("{rows} sums by {columns}, day and group");
        Ok(Invariant::without_offenders(name, figure, detail))
    }
}

/// A control account and the sub-ledger it stands for, both on the account's credit side, in micros.
struct Control {
    name: String,
    account: &'static str,
    /// One row, one column, as text.
    sub_ledger: String,
}

/// Coins in wallets at the face value of the day on which they moved.
fn coins_account(fund: &str, account: &'static str) -> Control {
    let sub_ledger = format!(
        "SELECT coalesce(sum(e.coins * (
             SELECT f.micros_per_coin FROM {{clearing}}.face_values f
             WHERE f.version = (SELECT max(version) FROM {{clearing}}.policies) AND f.from_day <= e.day
             ORDER BY f.from_day DESC LIMIT 1)), 0)::text
         FROM (SELECT day, sum({fund}_delta_coins + held_{fund}_delta_coins) AS coins
               FROM {{wallet}}.entries GROUP BY day) e"
    );
    let name = format!("{fund}-coins-in-wallets-equal-{}", account.replace('.', "-"));
    Control { name, account, sub_ledger }
}

/// Coins that withdrawals could not take, at the face value of their day: on the debit side.
fn receivables_from_viewers() -> Control {
    let sub_ledger = "SELECT (-coalesce(sum(e.coins * (
             SELECT f.micros_per_coin FROM {clearing}.face_values f
             WHERE f.version = (SELECT max(version) FROM {clearing}.policies) AND f.from_day <= e.day
             ORDER BY f.from_day DESC LIMIT 1)), 0))::text
         FROM (SELECT day, sum(shortfall_coins) AS coins FROM {wallet}.entries
               WHERE kind = 10 AND outcome = 0 AND shortfall_coins > 0 GROUP BY day) e";
    let name = "receivable-from-viewers-equals-1221".to_owned();
    Control { name, account: "1221", sub_ledger: sub_ledger.to_owned() }
}

/// What channels owe us stands on the debit side.
fn channels() -> Control {
    let sub_ledger =
        "SELECT coalesce(sum(CASE kind WHEN 1 THEN -1 ELSE 1 END * amount_minor::numeric * 1000000), 0)
         ::text FROM {cashier}.payments";
    let name = "payments-of-channels-equal-1122".to_owned();
    Control { name, account: "1122", sub_ledger: sub_ledger.to_owned() }
}

/// What payees earned and was not released to them yet.
fn earnings(account: &'static str, payee_kind: i16, name: &str) -> Control {
    let sub_ledger = format!(
        "SELECT ((SELECT coalesce(sum(share_micro + clawback_micro), 0) FROM {{settlement}}.earnings
                  WHERE payee_kind = {payee_kind})
               - (SELECT coalesce(sum(released_minor), 0) * 1000000 FROM {{settlement}}.payees
                  WHERE payee_kind = {payee_kind}))::text"
    );
    Control { name: name.to_owned(), account, sub_ledger }
}

/// Where payees' money stands after its release. Each sum is on its account's credit side, in minor units.
fn payees() -> [(&'static str, &'static str, &'static str); 5] {
    [
        (
            "2241.03",
            "coalesce(sum(available_minor + requested_minor), 0)",
            "available-of-payees-equals-2241-03",
        ),
        ("1012", "coalesce(sum(in_flight_minor), 0)", "payouts-in-flight-equal-1012"),
        ("1002.01", "coalesce(sum(paid_minor), 0)", "payouts-paid-equal-1002-01"),
        ("2221.12", "coalesce(sum(withheld_minor), 0)", "tax-withheld-equals-2221-12"),
        ("1221.01", "-coalesce(sum(receivable_minor), 0)", "receivable-from-payees-equals-1221-01"),
    ]
}

async fn control(snapshot: &mut Snapshot, control: &Control) -> Result<Invariant, sqlx::Error> {
    let account = control.account;
    let [balance, adjusted] = snapshot
        .sums(&format!(
            "SELECT (SELECT coalesce(sum(credit_micro - debit_micro), 0) FROM {{clearing}}.account_days
                     WHERE account = '{account}')::text,
                    (SELECT coalesce(sum(l.credit - l.debit), 0)
                     FROM {{clearing}}.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
                     WHERE v.source = 'clearing.vouchers' AND v.rule IN ('clearing.adjust', 'clearing.channel_settlement')
                         AND l.account = '{account}')::text"
        ))
        .await?;
    let [sub_ledger] = snapshot.sums(&control.sub_ledger).await?;
    // What people or a bank's statement said of the world outside stands beside what our own logs say; a repair of the books does not.
    let beside = if adjusted == 0 { String::new() } else { format!(", adjusted by {adjusted}") };
    let figure = format!("account {account} {balance}, sub-ledger {sub_ledger}{beside}");
    Ok(Invariant::of_equality(&control.name, figure, balance - adjusted, sub_ledger))
}

/// What payees were given of their statements is what those say, and what is released is in no other place.
async fn statements_equal_released(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let wrong = format!(
        "SELECT format('payee %s: statements %s, released %s', coalesce(s.payee_id, p.payee_id),
                       coalesce(s.stated, 0), coalesce(p.released_minor, 0))
         FROM (SELECT payee_kind, payee_id, sum(payable_minor) AS stated FROM {{settlement}}.statements
               WHERE released_at IS NOT NULL GROUP BY payee_kind, payee_id) s
         FULL JOIN {{settlement}}.payees p ON p.payee_kind = s.payee_kind AND p.payee_id = s.payee_id
         WHERE coalesce(s.stated, 0) <> coalesce(p.released_minor, 0)
            OR p.released_minor::numeric <> p.available_minor::numeric + p.requested_minor + p.in_flight_minor
                + p.paid_minor + p.withheld_minor - p.receivable_minor
         ORDER BY 1 LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [payees, released] = snapshot
        .sums("SELECT count(*)::text, coalesce(sum(released_minor), 0)::text FROM {settlement}.payees")
        .await?;
    let figure = format!("{payees} payees, {released} released");
    Ok(Invariant::without_offenders("released-equals-statements", figure, detail))
}

/// Every payee's balances are the sums of the log of payouts and of what is not in it yet.
async fn payees_are_their_moves(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let places = ["released", "available", "requested", "in_flight", "paid", "withheld", "receivable"];
    let sums = places.map(|place| format!("sum({place}_minor) AS {place}")).join(", ");
    let differ =
        places.map(|place| format!("coalesce(m.{place}, 0) <> coalesce(p.{place}_minor, 0)")).join(" OR ");
    let columns = places.map(|place| format!("{place}_minor")).join(", ");
    let wrong = format!(
        "SELECT format('payee %s', coalesce(m.payee_id, p.payee_id))
         FROM (SELECT payee_kind, payee_id, count(*) AS moves, max(payee_seq) AS last, {sums}
               FROM (SELECT payee_kind, payee_id, payee_seq, {columns} FROM {{settlement}}.payouts
                     UNION ALL SELECT payee_kind, payee_id, payee_seq, {columns} FROM {{settlement}}.moves_due) a
               GROUP BY payee_kind, payee_id) m
         FULL JOIN {{settlement}}.payees p ON p.payee_kind = m.payee_kind AND p.payee_id = m.payee_id
         WHERE coalesce(m.moves, 0) <> coalesce(p.last_seq, 0) OR coalesce(m.last, 0) <> coalesce(p.last_seq, 0)
            OR {differ}
         ORDER BY 1 LIMIT {OFFENDERS_MAX}"
    );
    let detail = snapshot.lines(&wrong).await?;
    let [moves] = snapshot.sums("SELECT count(*)::text FROM {settlement}.payouts").await?;
    Ok(Invariant::without_offenders("payees-are-their-moves", format!("{moves} moves"), detail))
}

/// Netted earnings lose nothing of the items they net.
async fn earnings_equal_items(snapshot: &mut Snapshot) -> Result<Invariant, sqlx::Error> {
    let [s, a, p, t] = snapshot
        .sums(
            "SELECT coalesce(sum(streamer), 0)::text, coalesce(sum(agency), 0)::text,
                    coalesce(sum(platform), 0)::text, coalesce(sum(tax), 0)::text FROM {settlement}.items",
        )
        .await?;
    let of = |kind: u8| {
        format!("coalesce(sum(share_micro + clawback_micro) FILTER (WHERE payee_kind = {kind}), 0)::text")
    };
    let earned: [i128; 4] = snapshot
        .sums(&format!("SELECT {}, {}, {}, {} FROM {{settlement}}.earnings", of(1), of(2), of(3), of(4)))
        .await?;
    let whos = ["streamers", "agencies", "the platform", "tax"];
    let pairs = whos.into_iter().zip(earned.into_iter().zip([s, a, p, t]));
    let detail = pairs
        .filter(|(_, (earned, of_items))| earned != of_items)
        .map(|(who, (earned, of_items))| format!("{who}: earnings {earned}, items {of_items}"))
        .collect();
    let figure = format!("streamers {s}, agencies {a}, platform {p}, tax {t}");
    Ok(Invariant::without_offenders("earnings-equal-items", figure, detail))
}
