//! Lists of statements, the lines of one, and the orders of a line: page by page, nothing is cut off in silence.

use crate::app::Settlement;
use crate::domain::earning::Payee;
use crate::error::StatementError;
use crate::store::statement_lines::{self, LineKey, LineOrder, StatementFilter, StatementLine, StatementRow};
use chrono::NaiveDate;
use contracts::log::Seq;
use contracts::payout::PayeeClass;
use ids::StreamerId;
use money::Micros;

/// The most statements, lines or orders one page has.
pub const STATEMENT_PAGE_MAX: i64 = 500;

/// The most statements one CSV has.
pub const STATEMENT_CSV_MAX: i64 = 20_000;

impl Settlement {
    /// Final statements by day and payee, so many of them.
    ///
    /// # Errors
    /// [`StatementError`].
    pub(crate) async fn list_statements(
        &self,
        filter: StatementFilter,
        limit: i64,
    ) -> Result<Vec<StatementRow>, StatementError> {
        Ok(statement_lines::list_statements(&self.db, filter, limit).await?)
    }

    /// The same, all at once, as CSV.
    ///
    /// # Errors
    /// [`StatementError::TooMany`]: ask for fewer days.
    pub(crate) async fn statements_csv(&self, filter: StatementFilter) -> Result<String, StatementError> {
        let rows = statement_lines::list_statements(&self.db, filter, STATEMENT_CSV_MAX + 1).await?;
        if i64::try_from(rows.len()).is_ok_and(|count| count > STATEMENT_CSV_MAX) {
            return Err(StatementError::TooMany(STATEMENT_CSV_MAX));
        }
        Ok(csv_of(&rows))
    }

    /// Lines of one payee's day.
    ///
    /// # Errors
    /// [`StatementError`].
    pub(crate) async fn list_lines(
        &self,
        payee: Payee,
        day: NaiveDate,
        after: (StreamerId, i32),
    ) -> Result<Vec<StatementLine>, StatementError> {
        Ok(statement_lines::list_lines(&self.db, (payee, day), after, STATEMENT_PAGE_MAX).await?)
    }

    /// Orders of one line.
    ///
    /// # Errors
    /// [`StatementError`].
    pub(crate) async fn list_orders(
        &self,
        line: LineKey,
        after: (i16, Seq),
    ) -> Result<Vec<LineOrder>, StatementError> {
        Ok(statement_lines::list_orders(&self.db, line, after, STATEMENT_PAGE_MAX).await?)
    }
}

/// Amounts stay integers with their unit in the column's name. Ids, days and numbers: nothing that needs quotes.
fn csv_of(rows: &[StatementRow]) -> String {
    let mut text = String::from(
        "payee,payee_id,day,gross_micro,share_micro,clawback_micro,settled_count,reversed_count,carry_in_micro,\
         payable_minor,carry_out_micro,is_released\n",
    );
    for row in rows {
        let payee = match row.payee {
            PayeeClass::Streamer => "streamer",
            PayeeClass::Agency => "agency",
        };
        let micros = |micros: Micros| micros.get();
        text.push_str(&format!(
            "{payee},{},{},{},{},{},{},{},{},{},{},{}\n",
            row.payee_id,
            row.day,
            micros(row.gross_micro),
            micros(row.share_micro),
            micros(row.clawback_micro),
            row.settled_count,
            row.reversed_count,
            micros(row.carry_in_micro),
            row.payable_minor,
            micros(row.carry_out_micro),
            row.is_released,
        ));
    }
    text
}
