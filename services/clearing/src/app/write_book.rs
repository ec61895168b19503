//! Writes the journal or the trial balance of a snapshot in one format. Blocks: it runs on a thread of its own.

use crate::app::export_books::{Book, Format};
use chrono::NaiveDate;
use contracts::voucher::Voucher;
use exports::{
    About, Account, Balance, Commodity, CsvTable, Dialect, Entry, ExportError, JournalListing, JournalWriter,
    Moved, ParquetTable, Period, Posting, TableWriter, TrialBalanceListing, TrialLine, Workbook,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use tokio::sync::mpsc;

/// The largest file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// What is gathered before it goes to the disk.
const BUFFER_BYTES: usize = 1 << 16;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    pub book: Book,
    pub format: Format,
}

/// What a trial balance sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything up to the last day: what lies before the snapshot's days.
    Everything,
    /// What moved on the days.
    Days,
}

/// The books of some days at one instant, without their vouchers.
#[derive(Debug)]
pub struct Snapshot {
    pub days: (NaiveDate, NaiveDate),
    pub scope: Scope,
    pub chart: Vec<Account>,
    /// One: the currency, in millionths of a minor unit.
    pub commodities: Vec<Commodity>,
    /// Account, debit and credit before the days.
    pub before: Vec<(String, i64, i64)>,
    /// Day, account, debit and credit, in the order of days.
    pub moved: Vec<(NaiveDate, String, i64, i64)>,
    pub closed: Vec<NaiveDate>,
    /// All vouchers there were, of whatever day: says which snapshot this is.
    pub voucher_count: i64,
}

/// Vouchers in the journal's order, as they come.
pub struct Pages(pub mpsc::Receiver<Vec<Voucher>>);

impl Pages {
    fn each(
        &mut self,
        commodity: &Commodity,
        mut take: impl FnMut(&Entry<'_>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        while let Some(page) = self.0.blocking_recv() {
            for voucher in &page {
                let units = |debit: i64, credit: i64| i128::from(debit) - i128::from(credit);
                let postings: Vec<Posting<'_>> = voucher
                    .postings
                    .iter()
                    .map(|line| Posting {
                        account: &line.account,
                        commodity,
                        units: units(line.debit.get(), line.credit.get()),
                    })
                    .collect();
                take(&Entry {
                    id: &format!("{}-{}", voucher.stamp.partition, voucher.stamp.seq),
                    posted_day: voucher.posted_day,
                    day: voucher.stamp.day,
                    rule: &voucher.rule,
                    source: voucher.source.as_str(),
                    from_seq: voucher.from_seq,
                    to_seq: voucher.to_seq,
                    row_count: voucher.row_count,
                    coins: voucher.coins,
                    postings: &postings,
                })?;
            }
        }
        Ok(())
    }
}

/// Writes one file and goes back to its beginning; says how long it is.
///
/// # Errors
/// [`ExportError`]; the file is gone then.
pub fn write_book(sheet: Sheet, snapshot: &Snapshot, mut pages: Pages) -> Result<(File, u64), ExportError> {
    let sink = BufWriter::with_capacity(BUFFER_BYTES, Bounded { file: tempfile::tempfile()?, end: 0 });
    let mut sink = match sheet.book {
        Book::Journal => write_journal(sheet.format, snapshot, &mut pages, sink)?,
        Book::TrialBalance => write_trial_balance(sheet.format, snapshot, sink)?,
    };
    sink.flush()?;
    let Bounded { mut file, .. } = sink.into_inner().map_err(|error| error.into_error())?;
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    Ok((file, len))
}

type Sink = BufWriter<Bounded>;

fn write_journal(
    format: Format,
    snapshot: &Snapshot,
    pages: &mut Pages,
    sink: Sink,
) -> Result<Sink, ExportError> {
    let commodity = snapshot.commodity()?;
    let listing = JournalListing::try_new(&snapshot.chart, &snapshot.commodities)?;
    let columns = listing.columns();
    let (from, to) = snapshot.days;
    let about = snapshot.about(format!("Journal of {from} to {to}"));
    match format {
        Format::Csv => {
            let mut table = CsvTable::try_new(sink, &columns)?;
            pages.each(commodity, |entry| listing.push(&mut table, entry))?;
            Ok(table.finish()?.0)
        }
        Format::Xlsx => {
            let mut book = Workbook::new(sink, about);
            let mut table = book.table("Journal", &columns)?;
            pages.each(commodity, |entry| listing.push(&mut table, entry))?;
            table.finish()?;
            book.finish()
        }
        Format::Parquet => {
            let mut table = ParquetTable::try_new(sink, &about, &columns)?;
            pages.each(commodity, |entry| listing.push(&mut table, entry))?;
            Ok(table.finish()?.0)
        }
        Format::Beancount | Format::Hledger => write_plain_text(format, snapshot, pages, sink),
    }
}

/// Every entry, and what every account holds at the end of each closed day and of the last.
fn write_plain_text(
    format: Format,
    snapshot: &Snapshot,
    pages: &mut Pages,
    sink: Sink,
) -> Result<Sink, ExportError> {
    let commodity = snapshot.commodity()?;
    let (from, to) = snapshot.days;
    let (chart, commodities) = (&snapshot.chart, &snapshot.commodities);
    let period = Period { from, to };
    let mut journal = JournalWriter::try_new(sink, dialect_of(format), period, chart, commodities)?;
    let mut sums = Sums::of(&snapshot.before);
    journal.open_balances(&sums.balances(commodity))?;
    let mut moved = snapshot.moved.iter().peekable();
    let closed = snapshot.closed.iter().copied().filter(|day| *day < to);
    let mut ends = closed.chain([to]).peekable();
    let mut end_before = |journal: &mut JournalWriter<'_, Sink>, next: Option<NaiveDate>| {
        while let Some(end) = ends.next_if(|end| next.is_none_or(|next| *end < next)) {
            while let Some((_, account, debit, credit)) = moved.next_if(|(day, ..)| *day <= end) {
                sums.add(account, *debit, *credit);
            }
            journal.assert_balances(end, &sums.balances(commodity))?;
        }
        Ok::<_, ExportError>(())
    };
    pages.each(commodity, |entry| {
        end_before(&mut journal, Some(entry.posted_day))?;
        journal.push(entry)
    })?;
    end_before(&mut journal, None)?;
    journal.finish()
}

fn write_trial_balance(format: Format, snapshot: &Snapshot, sink: Sink) -> Result<Sink, ExportError> {
    let listing = TrialBalanceListing::new(&snapshot.commodities);
    let columns = listing.columns();
    let (from, to) = snapshot.days;
    let about = snapshot.about(format!("Trial balance of {to}"));
    match format {
        Format::Csv => {
            let mut table = CsvTable::try_new(sink, &columns)?;
            push_lines(&listing, &mut table, snapshot)?;
            Ok(table.finish()?.0)
        }
        Format::Xlsx => {
            let mut book = Workbook::new(sink, about);
            let mut table = book.table("Trial balance", &columns)?;
            push_lines(&listing, &mut table, snapshot)?;
            table.finish()?;
            book.finish()
        }
        Format::Parquet => {
            let mut table = ParquetTable::try_new(sink, &about, &columns)?;
            push_lines(&listing, &mut table, snapshot)?;
            Ok(table.finish()?.0)
        }
        // One entry that opens every account, and what each holds then.
        Format::Beancount | Format::Hledger => {
            let dialect = dialect_of(format);
            let (chart, commodities) = (&snapshot.chart, &snapshot.commodities);
            let mut journal = JournalWriter::try_new(sink, dialect, Period { from, to }, chart, commodities)?;
            let sums = Sums::of(&snapshot.before);
            let balances = sums.balances(snapshot.commodity()?);
            journal.open_balances(&balances)?;
            journal.assert_balances(to, &balances)?;
            journal.finish()
        }
    }
}

fn dialect_of(format: Format) -> Dialect {
    if format == Format::Beancount { Dialect::Beancount } else { Dialect::Hledger }
}

fn push_lines(
    listing: &TrialBalanceListing<'_>,
    table: &mut impl TableWriter,
    snapshot: &Snapshot,
) -> Result<(), ExportError> {
    let mut sums = Sums::default();
    match snapshot.scope {
        Scope::Everything => sums = Sums::of(&snapshot.before),
        Scope::Days => {
            for (_, account, debit, credit) in &snapshot.moved {
                sums.add(account, *debit, *credit);
            }
        }
    }
    for account in &snapshot.chart {
        let moved = [sums.0.get(&account.code).copied().unwrap_or_default()];
        listing.push(table, &TrialLine { account, moved: &moved })?;
    }
    Ok(())
}

/// What accounts moved so far.
#[derive(Debug, Default)]
struct Sums(BTreeMap<String, Moved>);

impl Sums {
    fn of(rows: &[(String, i64, i64)]) -> Sums {
        let mut sums = Sums::default();
        for (account, debit, credit) in rows {
            sums.add(account, *debit, *credit);
        }
        sums
    }

    fn add(&mut self, account: &str, debit: i64, credit: i64) {
        let sum = self.0.entry(account.to_owned()).or_default();
        // Sums of 64-bit columns over days: 128 bits hold more of them than there can be.
        sum.debit_units += i128::from(debit);
        sum.credit_units += i128::from(credit);
    }

    fn balances<'a>(&'a self, commodity: &'a Commodity) -> Vec<Balance<'a>> {
        let balance = |(account, moved): (&'a String, &'a Moved)| Balance {
            account,
            commodity,
            units: moved.debit_units - moved.credit_units,
        };
        self.0.iter().map(balance).collect()
    }
}

impl Snapshot {
    fn commodity(&self) -> Result<&Commodity, ExportError> {
        self.commodities.first().ok_or_else(|| ExportError::BadCommodity(String::new()))
    }

    fn about(&self, title: String) -> About {
        let run_id = format!("{} to {} of {} vouchers", self.days.0, self.days.1, self.voucher_count);
        let accounts = format!("{} accounts", self.chart.len());
        About { title, run_id, made_of: vec![("chart".to_owned(), accounts)] }
    }
}

/// A file with an end, so that no question fills a disk.
#[derive(Debug)]
struct Bounded {
    file: File,
    /// The furthest byte written.
    end: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let at = self.file.stream_position()?;
        self.end = self.end.max(at);
        if self.end > FILE_BYTES_MAX {
            let message = format!("the file is larger than {FILE_BYTES_MAX} bytes; ask for fewer days");
            return Err(std::io::Error::other(message));
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}
