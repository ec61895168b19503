//! What a journal as plain text refuses, before any other program reads it.

use crate::book::{chart, cny, coin, day};
use exports::{Account, Balance, Commodity, Dialect, Entry, ExportError, JournalWriter, Period, Posting};

const PERIOD: (u32, u32) = (1, 30);

fn period() -> Period {
    Period { from: day(PERIOD.0), to: day(PERIOD.1) }
}

/// Debits 1122 and credits 6001 on that day.
fn push(journal: &mut JournalWriter<'_, Vec<u8>>, at: u32, units: i128) -> Result<(), ExportError> {
    let commodity = cny();
    let line = |account, units| Posting { account, commodity: &commodity, units };
    journal.push(&Entry {
        id: "1",
        posted_day: day(at),
        day: day(at),
        rule: "r",
        source: "s",
        from_seq: 1,
        to_seq: 1,
        row_count: 1,
        coins: 1,
        postings: &[line("1122", units), line("6001", -units)],
    })
}

fn with_journal(test: impl Fn(JournalWriter<'_, Vec<u8>>)) {
    let (chart, commodities) = (chart(), [cny(), coin()]);
    for dialect in [Dialect::Beancount, Dialect::Hledger] {
        test(JournalWriter::try_new(Vec::new(), dialect, period(), &chart, &commodities).expect("a journal"));
    }
}

#[test]
fn a_trial_balance_that_the_entries_do_not_make_is_refused() {
    with_journal(|mut journal| {
        push(&mut journal, 3, 700).expect("an entry");
        let cny = cny();
        let balance = |account, units| Balance { account, commodity: &cny, units };
        let wrong = [balance("1122", 701), balance("6001", -700)];
        let refused = journal.assert_balances(day(3), &wrong);
        assert!(matches!(refused, Err(ExportError::BalanceDiffers { ref account, .. }) if account == "1122"));
        // An account that the trial balance forgets holds nothing.
        let refused = journal.assert_balances(day(3), &[balance("1122", 700)]);
        assert!(matches!(refused, Err(ExportError::BalanceDiffers { ref account, .. }) if account == "6001"));
        journal.assert_balances(day(3), &[balance("1122", 700), balance("6001", -700)]).expect("they agree");
    });
}

#[test]
fn entries_behind_an_assertion_or_outside_of_the_days_are_refused() {
    with_journal(|mut journal| {
        push(&mut journal, 3, 700).expect("an entry");
        assert!(matches!(push(&mut journal, 2, 1), Err(ExportError::DayOutOfOrder { .. })));
    });
    with_journal(|mut journal| {
        journal.assert_balances(day(3), &[]).expect("nothing is held");
        assert!(matches!(push(&mut journal, 3, 1), Err(ExportError::DayOutOfOrder { .. })));
        push(&mut journal, 4, 1).expect("a later day");
        assert!(matches!(journal.assert_balances(day(3), &[]), Err(ExportError::DayOutOfOrder { .. })));
    });
}

#[test]
fn a_chart_with_an_account_twice_and_a_strange_commodity_are_refused() {
    let twice: Vec<Account> = [chart(), chart()].concat();
    let made = JournalWriter::try_new(Vec::new(), Dialect::Hledger, period(), &twice, &[]);
    assert!(matches!(made, Err(ExportError::BadAccount(code)) if code == "1122"));
    for bad in ["", "C", "cny", "CNY ", "1CNY", "C;NY", "ABCDEFGHIJKLM"] {
        assert!(matches!(Commodity::try_new(bad, 8), Err(ExportError::BadCommodity(_))), "{bad:?}");
    }
    assert!(Commodity::try_new("CNY", 13).is_err());
    let twice = [cny(), Commodity::try_new("CNY", 2).expect("a plain code")];
    let made = JournalWriter::try_new(Vec::new(), Dialect::Beancount, period(), &[], &twice);
    assert!(matches!(made, Err(ExportError::BadCommodity(code)) if code == "CNY"));
    let (chart, commodities) = (chart(), [coin()]);
    let mut journal = JournalWriter::try_new(Vec::new(), Dialect::Beancount, period(), &chart, &commodities)
        .expect("a journal");
    assert!(matches!(push(&mut journal, 1, 5), Err(ExportError::UnknownCommodity(code)) if code == "CNY"));
}
