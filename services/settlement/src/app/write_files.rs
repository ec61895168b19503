//! Files that leave settlement: statements as a workbook, and a batch of payouts as the bank's own payment order.
//!
//! The same statements and the same batch give the same bytes.

use crate::app::Settlement;
use crate::app::read_statements::STATEMENT_CSV_MAX;
use crate::config::Payer;
use crate::domain::payout::{Line, PayoutFile};
use crate::error::{PayoutError, StatementError};
use crate::store::statement_files::{self, LinePlace};
use crate::store::statement_lines::{self, StatementFilter, StatementLine, StatementRow};
use chrono::NaiveDate;
use contracts::class::{Classed, ErrorClass};
use contracts::payout::PayeeClass;
use exports::{
    About, AccountNumber, Bank, Booking, Charset, Commodity, CsvTable, Earned, ExportError, PainVersion,
    Party, Payee, Payment, PaymentFile, PaymentOrder, PaymentTotals, TableWriter, Workbook, earned_columns,
    push_earned, push_statement_line, statement_columns,
};
use ids::{PayoutBatchId, Uuid};
use std::io::Cursor;

/// The most lines that one workbook has.
pub const WORKBOOK_LINES_MAX: usize = 100_000;
/// Lines read at a time.
const PAGE_LEN: i64 = 2_000;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Payout(#[from] PayoutError),
    #[error("more than {WORKBOOK_LINES_MAX} lines are asked for at once; ask for fewer days")]
    TooManyLines,
    #[error("nobody is named who pays: set settlement.payer to the account that payouts leave")]
    PayerNotSet,
    #[error("the file cannot be written: {0}")]
    Refused(#[from] ExportError),
    #[error("the writer ended badly")]
    Writer,
}

impl Classed for FileError {
    fn class(&self) -> ErrorClass {
        match self {
            FileError::Statement(error) => error.class(),
            FileError::Payout(error) => error.class(),
            FileError::TooManyLines => ErrorClass::Rejected,
            FileError::PayerNotSet | FileError::Refused(_) => ErrorClass::Conflict,
            FileError::Writer => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            FileError::Statement(error) => error.slug(),
            FileError::Payout(error) => error.slug(),
            FileError::TooManyLines => "too-many-statements",
            FileError::PayerNotSet => "payer-not-set",
            FileError::Refused(_) => "file-refused",
            FileError::Writer => "file-failed",
        }
    }
}

impl Settlement {
    /// Final statements of some days as a workbook: what each payee is due, and the lines under it, each of which names
    /// its contract version and opens its orders.
    ///
    /// # Errors
    /// [`FileError`]; ask for fewer days where there are too many.
    pub(crate) async fn statements_xlsx(&self, filter: StatementFilter) -> Result<Vec<u8>, FileError> {
        let rows = statement_lines::list_statements(&self.db, filter, STATEMENT_CSV_MAX + 1).await;
        let rows = rows.map_err(StatementError::from)?;
        if i64::try_from(rows.len()).is_ok_and(|count| count > STATEMENT_CSV_MAX) {
            return Err(StatementError::TooMany(STATEMENT_CSV_MAX).into());
        }
        let file = self.statement_file(filter, rows).await?;
        let written = tokio::task::spawn_blocking(move || file.write()).await;
        Ok(written.map_err(|_| FileError::Writer)??)
    }

    /// The lines of final statements of some days as CSV: each names its contract version and opens its orders.
    ///
    /// # Errors
    /// [`FileError`]; ask for fewer days where there are too many.
    pub(crate) async fn statement_lines_csv(&self, filter: StatementFilter) -> Result<Vec<u8>, FileError> {
        let file = self.statement_file(filter, Vec::new()).await?;
        let written = tokio::task::spawn_blocking(move || file.write_lines()).await;
        Ok(written.map_err(|_| FileError::Writer)??)
    }

    async fn statement_file(
        &self,
        filter: StatementFilter,
        rows: Vec<StatementRow>,
    ) -> Result<StatementFile, FileError> {
        let mut lines = Vec::new();
        let mut after: LinePlace = (NaiveDate::default(), Uuid::nil(), Uuid::nil(), i32::MIN);
        loop {
            let page = statement_files::list_lines(&self.db, filter, after, PAGE_LEN).await;
            let page = page.map_err(StatementError::from)?;
            let Some((day, payee_id, last)) = page.last() else { break };
            after = (*day, *payee_id, last.streamer_id.uuid(), last.contract_version);
            lines.extend(page);
            if lines.len() > WORKBOOK_LINES_MAX {
                return Err(FileError::TooManyLines);
            }
        }
        Ok(StatementFile {
            currency: Commodity::try_new(&self.currency, 8)?,
            url: self.public_url.clone(),
            title: format!("Statements of {} to {}", filter.from, filter.to),
            class: filter.class,
            rows,
            lines,
        })
    }

    /// The file of a submitted batch as ISO 20022 pain.001.
    ///
    /// # Errors
    /// [`FileError::PayerNotSet`]; [`FileError::Refused`] names the field that cannot stand in the file.
    pub(crate) async fn payment_order(&self, batch_id: PayoutBatchId) -> Result<Vec<u8>, FileError> {
        let file = self.submitted(batch_id).await?;
        if self.payer.account_no.is_empty() {
            return Err(FileError::PayerNotSet);
        }
        let payer = self.payer.clone();
        let written = tokio::task::spawn_blocking(move || payment_order(&file, &payer)).await;
        Ok(written.map_err(|_| FileError::Writer)??)
    }
}

struct StatementFile {
    currency: Commodity,
    /// Where the orders of a line are opened.
    url: String,
    title: String,
    class: PayeeClass,
    rows: Vec<StatementRow>,
    lines: Vec<(NaiveDate, Uuid, StatementLine)>,
}

impl StatementFile {
    fn write(&self) -> Result<Vec<u8>, ExportError> {
        let made_of = vec![("statements".to_owned(), self.rows.len().to_string())];
        let about = About { title: self.title.clone(), run_id: String::new(), made_of };
        let mut book = Workbook::new(Cursor::new(Vec::new()), about);
        let mut table = book.table("Statements", &earned_columns(&self.currency))?;
        for row in &self.rows {
            let net = i128::from(row.share_micro.get()) + i128::from(row.clawback_micro.get());
            let earned = Earned {
                payee: self.payee(),
                payee_id: &row.payee_id.to_string(),
                payee_name: "",
                day: row.day,
                carry_in_units: i128::from(row.carry_in_micro.get()),
                net_units: net,
                payable_minor: row.payable_minor,
                carry_out_units: i128::from(row.carry_out_micro.get()),
            };
            push_earned(&mut table, &earned, &self.currency)?;
        }
        table.finish()?;
        let mut table = book.table("Lines", &statement_columns(&self.currency))?;
        self.push_lines(&mut table)?;
        table.finish()?;
        Ok(book.finish()?.into_inner())
    }

    fn write_lines(&self) -> Result<Vec<u8>, ExportError> {
        let mut table = CsvTable::try_new(Vec::new(), &statement_columns(&self.currency))?;
        self.push_lines(&mut table)?;
        Ok(table.finish()?.0)
    }

    fn payee(&self) -> Payee {
        match self.class {
            PayeeClass::Streamer => Payee::Streamer,
            PayeeClass::Agency => Payee::Agency,
        }
    }

    fn push_lines(&self, table: &mut impl TableWriter) -> Result<(), ExportError> {
        for (day, payee_id, line) in &self.lines {
            push_statement_line(
                table,
                &exports::StatementLine {
                    payee: self.payee(),
                    payee_id: &payee_id.to_string(),
                    payee_name: "",
                    streamer_id: &line.streamer_id.to_string(),
                    day: *day,
                    contract_version: i64::from(line.contract_version),
                    settled_count: line.settled_count,
                    reversed_count: line.reversed_count,
                    gross_units: i128::from(line.gross_micro.get()),
                    share_units: i128::from(line.share_micro.get()),
                    clawback_units: i128::from(line.clawback_micro.get()),
                    orders_link: &self.orders_link(*day, *payee_id, line),
                },
            )?;
        }
        Ok(())
    }

    fn orders_link(&self, day: NaiveDate, payee_id: Uuid, line: &StatementLine) -> String {
        let payee = match self.class {
            PayeeClass::Streamer => "streamer",
            PayeeClass::Agency => "agency",
        };
        format!(
            "{}/v1/finance/statements/{payee_id}/{day}/orders?payee={payee}&streamer_id={}&contract_version={}",
            self.url.trim_end_matches('/'),
            line.streamer_id,
            line.contract_version
        )
    }
}

fn payment_order(file: &PayoutFile, payer: &Payer) -> Result<Vec<u8>, ExportError> {
    let order = PaymentOrder {
        version: PainVersion::V09,
        charset: Charset::Unicode,
        booking: Booking::Single,
        message_id: file.batch.batch_id.uuid().simple().to_string(),
        created_at: file.batch.built_at,
        execution_day: file.batch.day,
        debtor: party(&payer.name, (&payer.account_no, &payer.bank_code), payer),
        currency: Commodity::try_new(&file.batch.currency, 2)?,
    };
    let count = u64::try_from(file.lines.len()).unwrap_or(u64::MAX);
    let stated = PaymentTotals { count, sum_minor: file.batch.net_minor };
    let mut written = PaymentFile::try_new(Vec::new(), &order, stated)?;
    for line in &file.lines {
        push_line(&mut written, line, payer)?;
    }
    written.finish()
}

fn push_line(file: &mut PaymentFile<'_, Vec<u8>>, line: &Line, payer: &Payer) -> Result<(), ExportError> {
    file.push(&Payment {
        end_to_end_id: &line.line_id.uuid().simple().to_string(),
        payee_id: &line.payee_id.to_string(),
        creditor: &party(&line.holder, (&line.account_no, &line.bank_code), payer),
        amount_minor: line.net_minor,
        remittance: &payer.remittance,
    })
}

/// An account as people gave it: an IBAN or another number, at a bank named by BIC or by its number in the country's
/// clearing.
fn party(name: &str, (account_no, bank_code): (&str, &str), payer: &Payer) -> Party {
    let iban = AccountNumber::Iban(account_no.to_owned());
    let account = match iban.check() {
        Ok(()) => iban,
        Err(_) => AccountNumber::Other(account_no.to_owned()),
    };
    let bic = Bank::Bic(bank_code.to_owned());
    let bank = match bic.check() {
        Ok(()) => bic,
        Err(_) => Bank::Member { system: payer.clearing_system.clone(), number: bank_code.to_owned() },
    };
    Party { name: name.to_owned(), account, bank }
}
