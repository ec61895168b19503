//! The programs that finance trusts read what we export: they accept it and agree on every balance.

use crate::amounts::units_of;
use crate::book::{Book, book, day};
use crate::is_long;
use exports::{Dialect, JournalWriter, Period, ledger_name};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each case starts four programs.
const CASES: u32 = 6;

type Sums = BTreeMap<(String, String), i128>;

/// One program, found where `scripts/setup.sh` put it: in a folder that the environment names, in the project's
/// own, or on the path.
fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/beancount/bin");
    let named = std::env::var_os("LARGESSE_TEST_BEANCOUNT").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.into_iter().chain([own]).chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run scripts/setup.sh, which installs it"))
}

/// What the program prints, if it accepts what it is given.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.env("LC_ALL", "C.UTF-8").output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{command:?}: {}{}", text(&output.stdout), text(&output.stderr))),
    }
}

fn hledger(file: &Path, arguments: &[&str]) -> Result<String, String> {
    run(Command::new(program("hledger")).arg("-f").arg(file).args(arguments))
}

/// Writes the book with assertions in the middle and at the end of the month.
fn journal(book: &Book, dialect: Dialect) -> String {
    let period = Period { from: day(1), to: day(30) };
    let mut journal = JournalWriter::try_new(Vec::new(), dialect, period, &book.chart, &book.commodities)
        .expect("a journal");
    let mut is_asserted = false;
    book.each(|entry| {
        if entry.posted_day > day(15) && !is_asserted {
            journal.assert_balances(day(15), &book.balances(day(15))).expect("they agree");
            is_asserted = true;
        }
        journal.push(entry).expect("an entry");
    });
    journal.assert_balances(day(30), &book.balances(day(30))).expect("they agree");
    String::from_utf8(journal.finish().expect("a journal")).expect("UTF-8")
}

fn saved(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, text).expect("a file");
    file
}

/// The book's sums as the programs name them, without accounts that hold nothing.
fn wanted(book: &Book) -> Sums {
    let sums = book.sums(day(30)).into_iter().filter(|(_, units)| *units != 0);
    sums.map(|((account, commodity), units)| {
        let code = book.commodities[commodity].code().to_owned();
        ((ledger_name(&book.chart[account]), code), units)
    })
    .collect()
}

fn places(book: &Book, code: &str) -> usize {
    let commodity = book.commodities.iter().find(|commodity| commodity.code() == code);
    usize::from(commodity.unwrap_or_else(|| panic!("{code} is not ours")).places())
}

/// Lines of account, commodity and number.
fn sums<'a>(book: &Book, lines: impl Iterator<Item = [&'a str; 3]>) -> Sums {
    let read = lines.map(|[account, code, number]| {
        // A number that needs more places than the commodity has would be none of ours: `units_of` refuses it.
        ((account.to_owned(), code.to_owned()), units_of(number, places(book, code)))
    });
    read.filter(|(_, units)| *units != 0).collect()
}

fn of_hledger(book: &Book, file: &Path) -> Result<Sums, String> {
    let text = hledger(file, &["balance", "--flat", "-N", "-E", "--layout=bare", "-O", "csv"])?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    Ok(sums(book, rows.iter().map(|row| [&row[0], &row[1], &row[2]])))
}

fn of_beancount(book: &Book, file: &Path) -> Result<Sums, String> {
    run(Command::new(program("bean-check")).arg(file))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/balances.py");
    // The virtual environment's own Python, which knows beancount.
    let python = program("bean-check").with_file_name("python");
    let text = run(Command::new(python).arg(script).arg(file))?;
    let line = |line: &str| -> [String; 3] {
        let parts: Vec<String> = line.split(',').map(str::to_owned).collect();
        parts.try_into().expect("three parts")
    };
    let lines: Vec<[String; 3]> = text.lines().map(line).collect();
    Ok(sums(book, lines.iter().map(|[account, code, number]| [account.as_str(), code, number])))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if is_long() { 60 } else { CASES },
        // A failing book is small enough, and each step of shrinking starts programs.
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    })]
    #[test]
    fn hledger_and_beancount_accept_the_books_and_agree_on_every_balance(book in book(1..80)) {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = wanted(&book);
        let file = saved(&folder, "books.journal", &journal(&book, Dialect::Hledger));
        hledger(&file, &["check", "--strict"]).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&of_hledger(&book, &file).map_err(TestCaseError::fail)?, &wanted);
        let file = saved(&folder, "books.beancount", &journal(&book, Dialect::Beancount));
        prop_assert_eq!(&of_beancount(&book, &file).map_err(TestCaseError::fail)?, &wanted);
    }
}

/// The assertions in the file are alive: one micro more, in a posting or in an assertion, and each program objects.
#[test]
fn one_micro_too_much_is_refused_by_both_programs() {
    use crate::book::{OwnEntry, chart, cny, coin};
    // A line with few places beside one with many: programs that guess a tolerance guess it from the few.
    let lines = vec![(0, 0, 10_000_000_001), (5, 0, -10_000_000_000), (4, 0, -1)];
    let entries = vec![OwnEntry { id: "17-1".to_owned(), posted_day: day(2), rule: "r".to_owned(), lines }];
    let book = Book { chart: chart(), commodities: vec![cny(), coin()], entries };
    let folder = tempfile::tempdir().expect("a folder");
    let (amount, more) = ("100.00000001", "100.00000002");
    for dialect in [Dialect::Hledger, Dialect::Beancount] {
        let text = journal(&book, dialect);
        // The debit, and the assertion of its account.
        let at: Vec<usize> = text.match_indices(amount).map(|(at, _)| at).collect();
        assert_eq!(at.len(), 2, "{text}");
        let one = |place: usize| {
            let mut spoiled = text.clone();
            spoiled.replace_range(place..place + amount.len(), more);
            spoiled
        };
        // Both at once agree with each other: only the entry's own sum is left to object.
        for spoiled in [one(at[0]), one(at[1]), text.replace(amount, more)] {
            let refused = match dialect {
                Dialect::Hledger => hledger(&saved(&folder, "bad.journal", &spoiled), &["check"]),
                Dialect::Beancount => {
                    run(Command::new(program("bean-check")).arg(saved(&folder, "bad.beancount", &spoiled)))
                }
            };
            assert!(refused.is_err(), "{dialect:?} takes a micro too much:\n{spoiled}");
        }
    }
}

/// Names and rules that try to be directives stay words: the programs see our accounts and no other.
#[test]
fn no_name_becomes_an_account_a_price_or_a_tag() {
    use crate::book::{NASTY, OwnEntry, chart, cny, coin};
    let entry = |(number, rule): (usize, &&str)| OwnEntry {
        id: format!("17-{number}"),
        posted_day: day(2),
        rule: (*rule).to_owned(),
        lines: vec![(0, 0, 5), (5, 0, -5)],
    };
    let entries = NASTY.iter().enumerate().map(entry).collect();
    let book = Book { chart: chart(), commodities: vec![cny(), coin()], entries };
    let folder = tempfile::tempdir().expect("a folder");
    let file = saved(&folder, "books.journal", &journal(&book, Dialect::Hledger));
    let accounts = hledger(&file, &["accounts"]).expect("accepted");
    let mut ours: Vec<String> = book.chart.iter().map(ledger_name).collect();
    ours.sort_unstable();
    let mut theirs: Vec<String> = accounts.lines().map(str::to_owned).collect();
    theirs.sort_unstable();
    assert_eq!(theirs, ours);
    assert_eq!(hledger(&file, &["prices"]).expect("accepted"), "");
    assert_eq!(hledger(&file, &["tags"]).expect("accepted"), "");
    assert_eq!(of_hledger(&book, &file), Ok(wanted(&book)));
    let file = saved(&folder, "books.beancount", &journal(&book, Dialect::Beancount));
    assert_eq!(of_beancount(&book, &file), Ok(wanted(&book)));
}
