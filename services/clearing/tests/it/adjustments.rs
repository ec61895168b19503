//! Invariant under test: an adjusting voucher is balanced, has two people's names, and is posted once, in a day that is
//! open to people.

use crate::database::{Bench, balances};
use chrono::NaiveDate;
use clearing::{PeriodState, Running};
use contracts::owner::{Adjust, AdjustPurpose, Adjusted, Adjusts, OwnerError, SettleChannel};
use contracts::voucher::Posting;
use ids::{BreakId, RequestId, Uuid};
use money::Micros;

fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, number).expect("a day of March")
}

fn line(account: &str, debit: i64, credit: i64) -> Posting {
    Posting { account: account.to_owned(), debit: Micros::new(debit), credit: Micros::new(credit) }
}

fn ask() -> Adjust {
    Adjust {
        request_id: RequestId::now(),
        break_id: BreakId::now(),
        purpose: AdjustPurpose::Difference,
        day: day(1),
        maker_id: Uuid::now_v7(),
        checker_id: Uuid::now_v7(),
        reason: "the bank found it".to_owned(),
        lines: vec![line("1122", 5_000_000, 0), line("6601", 0, 5_000_000)],
    }
}

/// Asks until there is an answer, as reconciliation does.
async fn adjust(running: &Running, ask: &Adjust) -> Result<Adjusted, OwnerError> {
    let owner = running.owner();
    for _ in 0..40 {
        match owner.adjust(ask.clone()).await {
            Err(OwnerError::NoAnswer(_)) => {}
            answer => return answer,
        }
    }
    panic!("nobody answers")
}

async fn refused(running: &Running, ask: &Adjust) -> String {
    match adjust(running, ask).await {
        Err(OwnerError::Refused { slug, .. }) => slug,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_adjustment_is_posted_once_and_its_voucher_names_its_rule() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let first = ask();
    let posted = adjust(&running, &first).await.expect("it is posted");
    assert_eq!(adjust(&running, &first).await, Ok(posted));
    assert_eq!(running.owner().find_adjusted(first.request_id).await, Ok(Some(posted)));
    assert_eq!(running.owner().find_adjusted(RequestId::now()).await, Ok(None));
    let other = Adjust { lines: vec![line("1122", 6, 0), line("6601", 0, 6)], ..first.clone() };
    assert_eq!(refused(&running, &other).await, "request-reused");
    let repair = Adjust { purpose: AdjustPurpose::Repair, ..ask() };
    let repaired = adjust(&running, &repair).await.expect("it is posted");
    assert_eq!(balances(&running).await.get("1122"), Some(&10_000_000));
    for (rule, posted) in [("clearing.adjust", posted), ("clearing.repair", repaired)] {
        let found: (String, String) = sqlx::query_as(
            bench.db.sql("SELECT rule, source FROM {s}.vouchers WHERE partition = $1 AND seq = $2"),
        )
        .bind(posted.partition.number())
        .bind(posted.voucher_seq)
        .fetch_one(bench.db.pool())
        .await
        .expect("the voucher is there");
        assert_eq!(found, (rule.to_owned(), "clearing.vouchers".to_owned()));
    }
    let books = books::check(&books::BooksDb::new(
        sqlx::PgPool::clone(&bench.db.pool()),
        &contracts::lane::Lane::Live,
    ))
    .await;
    let failed: Vec<_> = books.expect("reads").invariants.into_iter().filter(|line| !line.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    running.shutdown().await;
}

#[tokio::test]
async fn what_one_person_wants_or_does_not_balance_or_nobody_knows_is_refused() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let alone = Adjust { checker_id: ask().maker_id, ..ask() };
    let alone = Adjust { maker_id: alone.checker_id, ..alone };
    assert_eq!(refused(&running, &alone).await, "maker-is-checker");
    let uneven = Adjust { lines: vec![line("1122", 5, 0), line("6601", 0, 4)], ..ask() };
    assert_eq!(refused(&running, &uneven).await, "voucher-unbalanced");
    let unknown = Adjust { lines: vec![line("9999", 5, 0), line("6601", 0, 5)], ..ask() };
    assert_eq!(refused(&running, &unknown).await, "no-such-account");
    assert_eq!(refused(&running, &Adjust { reason: " ".to_owned(), ..ask() }).await, "reason-missing");
    assert_eq!(bench.count("SELECT count(*) FROM {s}.adjustments").await, 0);
    // The table refuses one person for two and what does not sum to zero, whoever asks it.
    let put = "INSERT INTO {s}.adjustments (request_id, body_hash, partition, break_id, rule, day, maker_id, checker_id, reason,
        accounts, debits, credits) VALUES ($1, 0, 0, $1, 'clearing.adjust', '2026-03-01', $1, $2, 'x', '{1122,6601}',
        '{5,0}', $3)";
    for (checker, credits) in [(0, vec![0_i64, 5]), (1, vec![0, 4])] {
        let put = sqlx::query(bench.db.sql(put)).bind(Uuid::from_u128(7)).bind(Uuid::from_u128(7 + checker));
        let put = put.bind(credits).execute(bench.db.pool()).await;
        assert!(put.is_err_and(|error| pg::is_constraint(&error)), "{checker}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn people_post_into_the_first_day_that_is_open_to_them() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    bench.set_day(day(1), PeriodState::Closed).await;
    bench.set_day(day(2), PeriodState::SoftLocked).await;
    let posted = adjust(&running, &ask()).await.expect("it is posted");
    assert_eq!(posted.posted_day, day(2), "a soft lock lets people adjust");
    running.shutdown().await;
}

fn paid() -> SettleChannel {
    SettleChannel {
        request_id: RequestId::now(),
        match_id: Uuid::now_v7(),
        day: day(1),
        currency: "CNY".to_owned(),
        gross_minor: 10_000,
        net_minor: 9_940,
        reason: "the bank shows it".to_owned(),
    }
}

async fn settle(running: &Running, ask: &SettleChannel) -> Result<Adjusted, OwnerError> {
    let owner = running.owner();
    for _ in 0..40 {
        match owner.settle_channel(ask.clone()).await {
            Err(OwnerError::NoAnswer(_)) => {}
            answer => return answer,
        }
    }
    panic!("nobody answers")
}

#[tokio::test]
async fn what_a_channel_has_paid_comes_off_what_it_owes_once_and_its_fee_is_a_cost() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let first = paid();
    let posted = settle(&running, &first).await.expect("it is posted");
    assert_eq!(settle(&running, &first).await, Ok(posted));
    assert_eq!(running.owner().find_adjusted(first.request_id).await, Ok(Some(posted)));
    let balances_now = balances(&running).await;
    let of = |account: &str| balances_now.get(account).copied();
    let books_say = [of("1122"), of("1002.01"), of("6401.02")];
    assert_eq!(books_say, [Some(-10_000_000_000), Some(9_940_000_000), Some(60_000_000)]);
    // Taken back, a day on which refunds were more, and one of which the channel kept nothing.
    let back = SettleChannel {
        request_id: RequestId::now(),
        gross_minor: -10_000,
        net_minor: -9_940,
        ..first.clone()
    };
    let refunds = SettleChannel { gross_minor: -500, net_minor: -503, ..paid() };
    let whole = SettleChannel { gross_minor: 7, net_minor: 7, ..paid() };
    for ask in [&back, &refunds, &whole] {
        settle(&running, ask).await.expect("it is posted");
    }
    let balances_now = balances(&running).await;
    let of = |account: &str| balances_now.get(account).copied();
    assert_eq!(
        [of("1122"), of("1002.01"), of("6401.02")],
        [Some(493_000_000), Some(-496_000_000), Some(3_000_000)]
    );
    let failed = books::check(&books::BooksDb::new(
        sqlx::PgPool::clone(&bench.db.pool()),
        &contracts::lane::Lane::Live,
    ))
    .await;
    let failed: Vec<_> = failed.expect("reads").invariants.into_iter().filter(|line| !line.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    running.shutdown().await;
}

#[tokio::test]
async fn what_a_channel_has_paid_in_other_money_or_past_all_bounds_is_refused() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let slug = async |ask: SettleChannel| match settle(&running, &ask).await {
        Err(OwnerError::Refused { slug, .. }) => slug,
        other => panic!("{other:?}"),
    };
    assert_eq!(slug(SettleChannel { currency: "USD".to_owned(), ..paid() }).await, "other-currency");
    assert_eq!(slug(SettleChannel { gross_minor: i64::MAX, ..paid() }).await, "amount-too-large");
    assert_eq!(slug(SettleChannel { gross_minor: i64::MIN, ..paid() }).await, "amount-too-large");
    assert_eq!(slug(SettleChannel { gross_minor: 0, net_minor: 0, ..paid() }).await, "voucher-unbalanced");
    assert_eq!(slug(SettleChannel { reason: String::new(), ..paid() }).await, "reason-missing");
    let first = paid();
    settle(&running, &first).await.expect("it is posted");
    assert_eq!(slug(SettleChannel { net_minor: 1, ..first }).await, "request-reused");
    // A match stands for two people only here: the table refuses either without the other.
    let put = "INSERT INTO {s}.adjustments (request_id, body_hash, partition, break_id, match_id, rule, day, maker_id,
        checker_id, reason, accounts, debits, credits)
        VALUES ($1, 0, 0, $2, $3, $4, '2026-03-01', $2, $5, 'x', '{1122,6601}', '{5,0}', '{0,5}')";
    let (one, other) = (Some(Uuid::from_u128(7)), Some(Uuid::from_u128(8)));
    for (people, matched, rule, checker) in [
        (None, one, "clearing.adjust", None),
        (one, None, "clearing.channel_settlement", other),
        (one, one, "clearing.channel_settlement", other),
        (None, None, "clearing.channel_settlement", None),
        (one, None, "clearing.adjust", None),
    ] {
        let put = sqlx::query(bench.db.sql(put)).bind(Uuid::now_v7()).bind(people).bind(matched).bind(rule);
        let put = put.bind(checker).execute(bench.db.pool()).await;
        assert!(put.is_err_and(|error| pg::is_constraint(&error)), "{people:?} {matched:?} {rule}");
    }
    running.shutdown().await;
}
