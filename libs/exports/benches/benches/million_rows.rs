//! A journal of a million rows in each format, beside the crate `csv` writing the same rows: time, size, and the
//! most memory. Each format runs in a process of its own. Fails where XLSX takes more than 200 MB.

use chrono::NaiveDate;
use exports::{
    About, Account, Commodity, CsvTable, Dialect, Entry, Growth, JournalListing, JournalWriter, ParquetTable,
    Period, Posting, Workbook,
};
use std::io::BufWriter;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Rows of the journal: two postings an entry.
const ROWS: i64 = 1_000_000;
/// Runs of each format; the median counts.
const RUNS: usize = 3;
/// What the product promises for XLSX.
const XLSX_RESIDENT_KIB_MAX: u64 = 200_000;
const FORMATS: [&str; 6] = ["yardstick", "csv", "xlsx", "parquet", "beancount", "hledger"];

fn main() -> ExitCode {
    match std::env::var("EXPORTS_BENCH_FORMAT") {
        Ok(format) => {
            run(&format);
            ExitCode::SUCCESS
        }
        Err(_) => compare(),
    }
}

/// One run's figures.
struct Figures {
    took: Duration,
    bytes: u64,
    resident_kib: u64,
}

fn compare() -> ExitCode {
    let program = std::env::current_exe().expect("this program has a path");
    println!("{ROWS} rows of 14 columns, median of {RUNS} runs");
    println!("{:<11}{:>10}{:>10}{:>14}{:>14}", "format", "seconds", "MB", "peak MB", "x yardstick");
    let mut yardstick = Duration::ZERO;
    let mut is_within = true;
    for format in FORMATS {
        let mut runs: Vec<Figures> = (0..RUNS).map(|_| figures(&program, format)).collect();
        runs.sort_by_key(|run| run.took);
        let resident_kib = runs.iter().map(|run| run.resident_kib).max().unwrap_or(0);
        let median = &runs[RUNS / 2];
        if format == "yardstick" {
            yardstick = median.took;
        }
        let times = median.took.as_secs_f64() / yardstick.as_secs_f64();
        let (seconds, megabytes) = (median.took.as_secs_f64(), median.bytes / 1_000_000);
        println!(
            "{format:<11}{seconds:>10.2}{megabytes:>10}{:>14}{times:>14.1}",
            resident_kib * 1_024 / 1_000_000
        );
        is_within &= format != "xlsx" || resident_kib * 1_024 <= XLSX_RESIDENT_KIB_MAX * 1_000;
    }
    if is_within {
        return ExitCode::SUCCESS;
    }
    eprintln!("XLSX took more than {} MB", XLSX_RESIDENT_KIB_MAX / 1_000);
    ExitCode::FAILURE
}

fn figures(program: &std::path::Path, format: &str) -> Figures {
    let output =
        Command::new(program).env("EXPORTS_BENCH_FORMAT", format).output().expect("the bench starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [micros, bytes, resident_kib] = numbers[..] else {
        panic!("{format}: {text}{}", String::from_utf8_lossy(&output.stderr))
    };
    Figures { took: Duration::from_micros(micros), bytes, resident_kib }
}

struct Books {
    chart: Vec<Account>,
    commodities: [Commodity; 1],
    day: NaiveDate,
}

impl Books {
    fn new() -> Books {
        let account = |(code, name): (&str, &str)| Account {
            code: code.to_owned(),
            name: name.to_owned(),
            grows: if code.starts_with('1') { Growth::Debit } else { Growth::Credit },
        };
        let names = [
            ("1122", "Payment channels receivable"),
            ("2205.01", "Contract liability: paid coins"),
            ("2206", "Gift clearing"),
            ("2241.01", "Payable to streamers"),
            ("6001", "Gift revenue"),
        ];
        Books {
            chart: names.into_iter().map(account).collect(),
            commodities: [Commodity::try_new("CNY", 8).expect("a plain code")],
            day: NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day"),
        }
    }

    fn each(&self, mut take: impl FnMut(&Entry<'_>)) {
        let places = self.chart.len();
        for number in 0..ROWS / 2 {
            let at = usize::try_from(number).expect("small") % places;
            // Amounts of eight to thirteen digits, with a fraction below a fen as splits have.
            let units = i128::from(number * 7_919 % 9_999_991) * 100_003 + 1;
            let line = |at: usize, units| Posting {
                account: &self.chart[at % places].code,
                commodity: &self.commodities[0],
                units,
            };
            let postings = [line(at, units), line(at + 1, -units)];
            take(&Entry {
                id: &format!("{}-{number}", number % 64),
                posted_day: self.day,
                day: self.day,
                rule: "gift-delivered",
                source: "settlement.items",
                from_seq: number * 500 + 1,
                to_seq: number * 500 + 500,
                row_count: 500,
                coins: 52_000,
                postings: &postings,
            });
        }
    }
}

fn run(format: &str) {
    let books = Books::new();
    let file = tempfile::tempfile().expect("a file");
    let sink = file.try_clone().expect("a file");
    let begun = Instant::now();
    write(format, &books, BufWriter::new(sink));
    let took = begun.elapsed();
    let bytes = file.metadata().expect("a size").len();
    let resident_kib = exports_benches::peak_resident_kib().expect("a Linux machine");
    println!("{} {bytes} {resident_kib}", took.as_micros());
}

fn write(format: &str, books: &Books, sink: BufWriter<std::fs::File>) {
    let listing = JournalListing::try_new(&books.chart, &books.commodities).expect("a chart");
    let columns = listing.columns();
    match format {
        "yardstick" => yardstick(books, sink),
        "csv" => {
            let mut table = CsvTable::try_new(sink, &columns).expect("columns");
            books.each(|entry| listing.push(&mut table, entry).expect("an entry"));
            table.finish().expect("a file");
        }
        "xlsx" => {
            let mut book = Workbook::new(sink, About::default());
            let mut table = book.table("Journal", &columns).expect("a table");
            books.each(|entry| listing.push(&mut table, entry).expect("an entry"));
            table.finish().expect("a table");
            book.finish().expect("a file");
        }
        "parquet" => {
            let mut table = ParquetTable::try_new(sink, &About::default(), &columns).expect("columns");
            books.each(|entry| listing.push(&mut table, entry).expect("an entry"));
            table.finish().expect("a file");
        }
        "beancount" => journal(books, sink, Dialect::Beancount),
        "hledger" => journal(books, sink, Dialect::Hledger),
        other => panic!("{other} is no format"),
    }
}

fn journal(books: &Books, sink: BufWriter<std::fs::File>, dialect: Dialect) {
    let period = Period { from: books.day, to: books.day };
    let mut journal =
        JournalWriter::try_new(sink, dialect, period, &books.chart, &books.commodities).expect("a journal");
    books.each(|entry| journal.push(entry).expect("an entry"));
    journal.finish().expect("a file");
}

/// The same rows by the crate alone: no checks, no totals, amounts as whole units.
fn yardstick(books: &Books, sink: BufWriter<std::fs::File>) {
    let mut csv = csv::Writer::from_writer(sink);
    books.each(|entry| {
        for (line, posting) in (1..).zip(entry.postings) {
            let number = |number: i64| number.to_string();
            let amount = posting.units.unsigned_abs().to_string();
            let (debit, credit) =
                if posting.units > 0 { (amount.as_str(), "") } else { ("", amount.as_str()) };
            let name = books.chart.iter().find(|account| account.code == posting.account);
            let fields: [&str; 14] = [
                entry.id,
                &number(line),
                &entry.posted_day.to_string(),
                &entry.day.to_string(),
                entry.rule,
                entry.source,
                &number(entry.from_seq),
                &number(entry.to_seq),
                &number(entry.row_count),
                &number(entry.coins),
                posting.account,
                name.map_or("", |account| account.name.as_str()),
                debit,
                credit,
            ];
            csv.write_record(fields).expect("a row");
        }
    });
    csv.flush().expect("a file");
}
