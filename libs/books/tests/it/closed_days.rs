//! Invariant under test: whatever changes in a closed day is named, down to the voucher; an open day may change.

use crate::by_hand::Books;
use books::check_closed_days;

const TWO_PEOPLE: &str = "
INSERT INTO clearing.period_requests (request_id, period, first_day, last_day, step, state, proposed_by, decided_by,
    decided_at)
VALUES ('01900000-0000-7000-8000-0000000000c1', '2026-03-01', '2026-03-01', '2026-03-01', 2, 3,
    '01900000-0000-7000-8000-00000000000a', '01900000-0000-7000-8000-00000000000b', now());
INSERT INTO clearing.day_closings (day, version, sealed_version, request_id, voucher_count, digest)
SELECT '2026-03-01', 1, 1, '01900000-0000-7000-8000-0000000000c1', count(*),
    sum(clearing.voucher_print(v)::numeric) FROM clearing.vouchers v;
INSERT INTO clearing.balance_assertions
SELECT '2026-03-01', 1, account, sum(debit), sum(credit), sum(debit) - sum(credit), count(*), sum(print)
FROM (SELECT v.seq, l.account, sum(l.debit) AS debit, sum(l.credit) AS credit,
             min(clearing.voucher_print(v))::numeric AS print
      FROM clearing.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
      GROUP BY v.seq, l.account) o
GROUP BY account;
INSERT INTO clearing.voucher_seals
SELECT '2026-03-01', 1, 5, 0, array_agg(seq ORDER BY seq), array_agg(clearing.voucher_print(v) ORDER BY seq)
FROM clearing.vouchers v;
UPDATE clearing.periods SET state = 3";

async fn closed() -> Books {
    let books = Books::whole().await;
    books.run(TWO_PEOPLE).await;
    books
}

/// What the lines about closed days say of a fault.
async fn offenders(books: &Books) -> Vec<String> {
    let lines = check_closed_days(&books.source()).await.expect("the books can be read");
    assert_eq!(lines.len(), 3);
    lines.into_iter().flat_map(|line| line.detail).collect()
}

#[tokio::test]
async fn a_closed_day_that_nobody_touched_holds() {
    let books = closed().await;
    let report = books.check().await;
    assert!(report.passed, "{report:#?}");
    let figure = |name: &str| {
        let line = report.invariants.iter().find(|line| line.name == name);
        line.expect("the line is there").figure.clone()
    };
    assert_eq!(figure("closed-days-are-as-they-were-closed"), "1 closed days, 12 vouchers");
    assert_eq!(figure("balances-of-closed-days-hold"), "15 assertions");
}

#[tokio::test]
async fn a_voucher_of_a_closed_day_that_was_changed_is_named() {
    let books = closed().await;
    // In the sums too, so that no other line than those of closed days sees it.
    books
        .run(
            "UPDATE clearing.vouchers SET debits = '{1000001,0}', credits = '{0,1000001}' WHERE seq = 4;
             UPDATE clearing.account_days SET debit_micro = debit_micro + 1 WHERE account = '6601';
             UPDATE clearing.account_days SET credit_micro = credit_micro + 1 WHERE account = '2205.02'",
        )
        .await;
    let said = offenders(&books).await;
    assert_eq!(
        said,
        [
            "voucher 5-4 in the books of 2026-03-01 (wallet.grant) is not as it was when the day was closed",
            "account 2205.02 on 2026-03-01 moved otherwise than was asserted",
            "account 6601 on 2026-03-01 moved otherwise than was asserted",
        ]
    );
}

#[tokio::test]
async fn a_word_that_moves_no_money_is_named_as_well() {
    let books = closed().await;
    books.run("UPDATE clearing.vouchers SET rule = 'wallet.gift' WHERE seq = 4").await;
    let said = offenders(&books).await;
    assert!(
        said[0].starts_with("voucher 5-4 in the books of 2026-03-01 (wallet.gift) is not as"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_voucher_that_vanished_from_a_closed_day_or_came_into_it_is_named() {
    let books = closed().await;
    books.run("DELETE FROM clearing.vouchers WHERE seq = 12").await;
    let said = offenders(&books).await;
    assert_eq!(said[0], "voucher 5-12 in the books of 2026-03-01 is gone");
    let books = closed().await;
    let put_in = "INSERT INTO clearing.vouchers
        SELECT partition, seq + 1, epoch, decided_at, minute, day, origin_seq, 'by.hand', source, from_seq, to_seq,
            posted_day, row_count, coins, accounts, debits, credits FROM clearing.vouchers WHERE seq = 12";
    let refused = sqlx::raw_sql(put_in).execute(&books.pool).await.expect_err("the day is closed");
    let constraint = refused.as_database_error().and_then(|error| error.constraint()).map(str::to_owned);
    assert_eq!(constraint.as_deref(), Some("vouchers_not_in_a_closed_day"));
    books.run("ALTER TABLE clearing.vouchers DISABLE TRIGGER vouchers_not_in_a_closed_day").await;
    sqlx::raw_sql(put_in).execute(&books.pool).await.expect("nothing refuses it now");
    let said = offenders(&books).await;
    assert_eq!(
        said[0],
        "voucher 5-13 in the books of 2026-03-01 (by.hand) was not there when the day was closed"
    );
}

#[tokio::test]
async fn seals_are_never_changed_and_seals_that_were_changed_all_the_same_are_named() {
    let books = closed().await;
    let change = "UPDATE clearing.voucher_seals SET prints[4] = prints[4] + 1";
    let refused = sqlx::raw_sql(change).execute(&books.pool).await.expect_err("nobody changes seals");
    assert!(refused.to_string().contains("rows of voucher_seals are never changed"), "{refused}");
    books.run("ALTER TABLE clearing.voucher_seals DISABLE TRIGGER voucher_seals_only_grow").await;
    sqlx::raw_sql(change).execute(&books.pool).await.expect("nothing refuses it now");
    let said = offenders(&books).await;
    assert!(said.contains(&"the seals of 2026-03-01 are not those of its closing".to_owned()), "{said:?}");
}

#[tokio::test]
async fn a_reopened_day_may_change() {
    let books = closed().await;
    books.run("UPDATE clearing.periods SET state = 4; UPDATE clearing.vouchers SET minute = 2").await;
    assert_eq!(offenders(&books).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_voucher_that_stands_in_a_later_day_without_a_reason_is_named() {
    let books = Books::whole().await;
    books
        .run(
            "INSERT INTO clearing.periods (day) VALUES ('2026-03-02');
             UPDATE clearing.vouchers SET posted_day = '2026-03-02' WHERE seq = 8",
        )
        .await;
    let said = offenders(&books).await;
    assert_eq!(said, ["voucher 5-8 of 2026-03-01 (wallet.expire) stands in the books of 2026-03-02"]);
}
