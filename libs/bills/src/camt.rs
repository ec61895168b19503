//! ISO 20022 camt.053.001, versions .02 to .08: statements of bank accounts. .08 is *layout only*.
//!
//! One row per booked entry. Entries that are announced (PDNG) or told for information (INFO) move no money: they are not
//! lent and not summed. Opening balance and booked entries must give the closing balance, exactly.

mod names;
mod statement;

use crate::amount::whole;
use crate::bill::Sink;
use crate::error::{BillError, Flaw};
use crate::source::Digested;
use crate::xml::{Step, Walker, document};
use crate::{Intake, When};
use names::known;
use statement::{Direction, Statement};
use std::io::Read;

pub(crate) fn read<R: Read>(bytes: R, intake: &Intake, sink: &mut Sink<'_>) -> Result<Digested, BillError> {
    let (text, read) = document(bytes, intake)?;
    let mut message = Message {
        text: &text,
        walker: Walker::new(&text, &intake.limits),
        path: Vec::new(),
        statement: None,
        statements: 0,
        row_bytes_max: intake.limits.row_bytes_max,
    };
    message.read(sink)?;
    Ok(read)
}

struct Message<'t> {
    text: &'t str,
    walker: Walker<'t>,
    path: Vec<&'static str>,
    statement: Option<Statement>,
    statements: u64,
    row_bytes_max: usize,
}

impl Message<'_> {
    fn read(&mut self, sink: &mut Sink<'_>) -> Result<(), BillError> {
        loop {
            let before = self.walker.offset();
            match self.walker.step()? {
                Step::Open(start) => {
                    self.path.push(known(start.local_name().as_ref()));
                    let currency = start.try_get_attribute("Ccy").ok().flatten();
                    let currency = currency.map(|attribute| attribute.value.into_owned());
                    self.open(currency);
                }
                Step::Close(text) => {
                    let path = std::mem::take(&mut self.path);
                    // A path is read from its statement on: what stands around it is the same for all.
                    if let ["Document", "BkToCstmrStmt", "Stmt", rest @ ..] = path.as_slice() {
                        self.close(rest, text.trim(), sink)?;
                    }
                    self.path = path;
                    self.path.pop();
                }
                Step::End if self.statements == 0 => {
                    return Err(BillError::Truncated {
                        place: self.walker.place_of(before),
                        awaited: "a statement (Stmt)".into(),
                    });
                }
                Step::End => return Ok(()),
            }
        }
    }

    fn open(&mut self, currency: Option<String>) {
        let offset = self.walker.offset();
        match (self.path.as_slice(), &mut self.statement) {
            (["Document", "BkToCstmrStmt", "Stmt"], statement) => *statement = Some(Statement::default()),
            (["Document", "BkToCstmrStmt", "Stmt", "Bal"], Some(statement)) => statement.open_balance(),
            (["Document", "BkToCstmrStmt", "Stmt", "Ntry"], Some(statement)) => {
                // `offset` is behind the tag; the row begins with it.
                let from = self.text[..offset].rfind('<').unwrap_or(offset);
                let line = self.walker.line_of(from);
                statement.open_entry(from, line);
            }
            (["Document", "BkToCstmrStmt", "Stmt", "Bal" | "Ntry", "Amt"], Some(statement)) => {
                statement.currency = currency;
            }
            _ => {}
        }
    }

    fn close(&mut self, path: &[&str], text: &str, sink: &mut Sink<'_>) -> Result<(), BillError> {
        let Some(mut statement) = self.statement.take() else { return Ok(()) };
        if path.is_empty() {
            self.statements += 1;
            let offset = self.walker.offset();
            let place = self.walker.place_of(offset);
            return statement.finish(place, sink);
        }
        let closed = self.close_in(&mut statement, path, text, sink);
        self.statement = Some(statement);
        closed
    }

    fn close_in(
        &mut self,
        statement: &mut Statement,
        path: &[&str],
        text: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), BillError> {
        match path {
            ["Acct", "Id", "IBAN"] | ["Acct", "Id", "Othr", "Id"] => {
                let offset = self.walker.offset();
                sink.account(text, self.walker.place_of(offset))?;
                statement.account = text.to_owned();
            }
            ["FrToDt", "FrDtTm"] => statement.from = Some(self.when(path, text)?.day()),
            ["FrToDt", "ToDtTm"] => statement.to = Some(self.when(path, text)?.day()),
            ["Bal", rest @ ..] => return self.balance(statement, rest, text),
            ["TxsSummry", rest @ ..] => return self.summary(statement, rest, text),
            ["Ntry"] => {
                let end = self.walker.offset();
                let place = self.walker.place_of(end);
                return statement.close_entry((self.text, end, self.row_bytes_max), place, sink);
            }
            ["Ntry", rest @ ..] => return self.entry(statement, rest, text),
            _ => {}
        }
        Ok(())
    }

    fn balance(&mut self, statement: &mut Statement, path: &[&str], text: &str) -> Result<(), BillError> {
        match path {
            ["Tp", "CdOrPrtry", "Cd"] => text.clone_into(&mut statement.balance.code),
            ["Amt"] => {
                let amount = self.amount(statement, text)?;
                statement.balance.amount = Some(amount);
            }
            ["CdtDbtInd"] => statement.balance.direction = Some(self.direction(text)?),
            [] => {
                let offset = self.walker.offset();
                let place = self.walker.place_of(offset);
                return statement.close_balance(place);
            }
            _ => {}
        }
        Ok(())
    }

    fn summary(&mut self, statement: &mut Statement, path: &[&str], text: &str) -> Result<(), BillError> {
        let offset = self.walker.offset();
        let side = match path {
            ["TtlNtries", _] => &mut statement.stated_all,
            ["TtlCdtNtries", _] => &mut statement.stated_credits,
            ["TtlDbtNtries", _] => &mut statement.stated_debits,
            _ => return Ok(()),
        };
        match path.last() {
            Some(&"NbOfNtries") => {
                let rows = whole(text).map_err(|flaw| self.walker.broken("NbOfNtries", flaw, text))?;
                side.rows = Some((rows, self.walker.place_of(offset)));
            }
            // Sums name no currency: they are read when the statement's is known.
            Some(&"Sum") => side.sum = Some((text.to_owned(), self.walker.place_of(offset))),
            _ => {}
        }
        Ok(())
    }

    fn entry(&mut self, statement: &mut Statement, path: &[&str], text: &str) -> Result<(), BillError> {
        match path {
            ["Amt"] => {
                let amount = self.amount(statement, text)?;
                statement.entry.amount = Some(amount);
            }
            ["CdtDbtInd"] => statement.entry.direction = Some(self.direction(text)?),
            // An element of its own since .08, text before.
            ["Sts"] | ["Sts", "Cd"] if !text.is_empty() => text.clone_into(&mut statement.entry.status),
            ["RvslInd"] => statement.entry.is_reversal = matches!(text, "true" | "1"),
            ["BookgDt", "Dt" | "DtTm"] => statement.entry.booked = Some(self.when(path, text)?),
            ["ValDt", "Dt" | "DtTm"] => statement.entry.valued = Some(self.when(path, text)?),
            ["AcctSvcrRef"] => text.clone_into(&mut statement.entry.bank_ref),
            ["NtryRef"] => text.clone_into(&mut statement.entry.entry_ref),
            ["NtryDtls", "TxDtls"] => statement.entry.details += 1,
            ["NtryDtls", "TxDtls", "Refs", "EndToEndId"] if text != "NOTPROVIDED" => {
                statement.entry.end_to_end = Some(text.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// An amount with its currency. Its sign is told beside it, so it has none.
    fn amount(&mut self, statement: &mut Statement, text: &str) -> Result<(i64, crate::Currency), BillError> {
        let code = statement.currency.take().unwrap_or_default();
        let currency = crate::Currency::find(&code);
        let currency = currency.ok_or_else(|| self.walker.broken("Ccy", Flaw::NotACurrency, &code))?;
        match crate::amount::minor(text, currency, crate::amount::Style::PLAIN) {
            Ok(amount) if amount >= 0 => Ok((amount, currency)),
            Ok(_) => Err(self.walker.broken("Amt", Flaw::Contradiction, text)),
            Err(flaw) => Err(self.walker.broken("Amt", flaw, text)),
        }
    }

    fn direction(&mut self, text: &str) -> Result<Direction, BillError> {
        match text {
            "CRDT" => Ok(Direction::Credit),
            "DBIT" => Ok(Direction::Debit),
            _ => Err(self.walker.broken("CdtDbtInd", Flaw::UnknownWord, text)),
        }
    }

    fn when(&mut self, path: &[&str], text: &str) -> Result<When, BillError> {
        let field = path.first().map_or("Dt", |name| known(name));
        crate::time::iso(text).map_err(|flaw| self.walker.broken(field, flaw, text))
    }
}
