//! Payment files as ISO 20022 pain.001: one order of many credit transfers, written payment by payment.
//!
//! Count and control sum stand in the file's header, so they are stated first and proven at the end. Texts are
//! spelled in the characters that the bank takes or refused; nothing is ever cut.

use crate::payout::{AccountNumber, Bank, Party, Payment, PaymentTotals};
use crate::{Commodity, ExportError, decimal_text};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::io::Write;

/// Characters of ids, and of names and remittances.
const ID_CHARS_MAX: usize = 35;
const TEXT_CHARS_MAX: usize = 140;

/// The message's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PainVersion {
    /// pain.001.001.03, of 2009.
    V03,
    /// pain.001.001.09, of 2019.
    V09,
}

/// Characters that the bank takes in names and remittances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// SWIFT's set X: Latin letters without marks, digits and `/-?:().,'+`. Latin letters with marks are spelled
    /// without; other scripts are refused, because a bank compares names.
    Latin,
    /// Everything that XML holds: domestic payments in Chinese.
    Unicode,
}

/// How the bank shows the payments on the payer's statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booking {
    /// One line for the whole file.
    Batch,
    /// One line per payment.
    Single,
}

/// The order: who pays, when, and how the file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentOrder {
    pub version: PainVersion,
    pub charset: Charset,
    pub booking: Booking,
    /// Unique for ever at this bank: 1 to 35 characters.
    pub message_id: String,
    pub created_at: DateTime<Utc>,
    pub execution_day: NaiveDate,
    pub debtor: Party,
    /// In minor units: `CNY` with two places.
    pub currency: Commodity,
}

/// Writes one payment file.
#[derive(Debug)]
pub struct PaymentFile<'a, W: Write> {
    xml: Xml<W>,
    order: &'a PaymentOrder,
    stated: PaymentTotals,
    found: PaymentTotals,
}

impl<'a, W: Write> PaymentFile<'a, W> {
    /// Writes the header with the stated totals.
    ///
    /// # Errors
    /// [`ExportError::PaymentCount`], or the field of the order that cannot stand in the file, or writing fails.
    pub fn try_new(
        sink: W,
        order: &'a PaymentOrder,
        stated: PaymentTotals,
    ) -> Result<PaymentFile<'a, W>, ExportError> {
        stated.check_count()?;
        let mut xml = Xml(Writer::new(sink));
        let number = if order.version == PainVersion::V03 { "03" } else { "09" };
        let namespace = format!("urn:iso:std:iso:20022:tech:xsd:pain.001.001.{number}");
        xml.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.open_with("Document", ("xmlns", &namespace))?;
        xml.open("CstmrCdtTrfInitn")?;
        let name = spelled("debtor name", &order.debtor.name, order.charset, TEXT_CHARS_MAX)?;
        let message_id = id("message id", &order.message_id)?;
        let sum = decimal_text(i128::from(stated.sum_minor), order.currency.places());
        xml.open("GrpHdr")?;
        xml.leaf("MsgId", message_id)?;
        xml.leaf("CreDtTm", &order.created_at.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        xml.leaf("NbOfTxs", &stated.count.to_string())?;
        xml.leaf("CtrlSum", &sum)?;
        xml.within(&["InitgPty"], "Nm", &name)?;
        xml.close("GrpHdr")?;
        xml.open("PmtInf")?;
        xml.leaf("PmtInfId", message_id)?;
        xml.leaf("PmtMtd", "TRF")?;
        xml.leaf("BtchBookg", if order.booking == Booking::Batch { "true" } else { "false" })?;
        xml.leaf("NbOfTxs", &stated.count.to_string())?;
        xml.leaf("CtrlSum", &sum)?;
        match order.version {
            PainVersion::V03 => xml.leaf("ReqdExctnDt", &order.execution_day.to_string())?,
            PainVersion::V09 => xml.within(&["ReqdExctnDt"], "Dt", &order.execution_day.to_string())?,
        }
        xml.within(&["Dbtr"], "Nm", &name)?;
        xml.account("DbtrAcct", &order.debtor.account)?;
        xml.bank("DbtrAgt", &order.debtor.bank, order.version)?;
        Ok(PaymentFile { xml, order, stated, found: PaymentTotals::default() })
    }

    /// Writes one payment.
    ///
    /// # Errors
    /// [`ExportError::PaymentNotPositive`], [`ExportError::PaymentCount`], or the field that cannot stand in the
    /// file, or writing fails. The file is then not whole.
    pub fn push(&mut self, payment: &Payment<'_>) -> Result<(), ExportError> {
        self.found.add(payment)?;
        let (creditor, charset) = (payment.creditor, self.order.charset);
        let name = spelled("creditor name", &creditor.name, charset, TEXT_CHARS_MAX)?;
        let amount = decimal_text(i128::from(payment.amount_minor), self.order.currency.places());
        let xml = &mut self.xml;
        xml.open("CdtTrfTxInf")?;
        xml.within(&["PmtId"], "EndToEndId", id("end-to-end id", payment.end_to_end_id)?)?;
        xml.open("Amt")?;
        xml.open_with("InstdAmt", ("Ccy", self.order.currency.code()))?;
        xml.text(&amount)?;
        xml.close("InstdAmt")?;
        xml.close("Amt")?;
        if creditor.bank != Bank::NotSaid {
            xml.bank("CdtrAgt", &creditor.bank, self.order.version)?;
        }
        xml.within(&["Cdtr"], "Nm", &name)?;
        xml.account("CdtrAcct", &creditor.account)?;
        if !payment.remittance.is_empty() {
            let remittance = spelled("remittance", payment.remittance, charset, TEXT_CHARS_MAX)?;
            xml.within(&["RmtInf"], "Ustrd", &remittance)?;
        }
        xml.close("CdtTrfTxInf")
    }

    /// Proves the totals, ends the file and gives the sink back.
    ///
    /// # Errors
    /// [`ExportError::TotalsDiffer`] where the payments are not those that were stated; or writing fails.
    pub fn finish(mut self) -> Result<W, ExportError> {
        let (stated, found) = (self.stated, self.found);
        if stated != found {
            return Err(ExportError::TotalsDiffer {
                stated_count: stated.count,
                stated_minor: stated.sum_minor,
                found_count: found.count,
                found_minor: found.sum_minor,
            });
        }
        for name in ["PmtInf", "CstmrCdtTrfInitn", "Document"] {
            self.xml.close(name)?;
        }
        let mut sink = self.xml.0.into_inner();
        sink.flush()?;
        Ok(sink)
    }
}

/// Elements, one after the other.
struct Xml<W: Write>(Writer<W>);

impl<W: Write> std::fmt::Debug for Xml<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xml").finish_non_exhaustive()
    }
}

impl<W: Write> Xml<W> {
    fn open(&mut self, name: &str) -> Result<(), ExportError> {
        Ok(self.0.write_event(Event::Start(BytesStart::new(name)))?)
    }

    fn open_with(&mut self, name: &str, attribute: (&str, &str)) -> Result<(), ExportError> {
        Ok(self.0.write_event(Event::Start(BytesStart::new(name).with_attributes([attribute])))?)
    }

    fn close(&mut self, name: &str) -> Result<(), ExportError> {
        Ok(self.0.write_event(Event::End(BytesEnd::new(name)))?)
    }

    fn text(&mut self, text: &str) -> Result<(), ExportError> {
        Ok(self.0.write_event(Event::Text(BytesText::new(text)))?)
    }

    fn leaf(&mut self, name: &str, text: &str) -> Result<(), ExportError> {
        self.open(name)?;
        self.text(text)?;
        self.close(name)
    }

    /// A leaf inside of elements that hold nothing else.
    fn within(&mut self, around: &[&str], name: &str, text: &str) -> Result<(), ExportError> {
        for outer in around {
            self.open(outer)?;
        }
        self.leaf(name, text)?;
        around.iter().rev().try_for_each(|outer| self.close(outer))
    }

    fn account(&mut self, name: &str, account: &AccountNumber) -> Result<(), ExportError> {
        account.check()?;
        match account {
            AccountNumber::Iban(iban) => self.within(&[name, "Id"], "IBAN", iban),
            AccountNumber::Other(number) => self.within(&[name, "Id", "Othr"], "Id", number),
        }
    }

    fn bank(&mut self, name: &str, bank: &Bank, version: PainVersion) -> Result<(), ExportError> {
        bank.check()?;
        match bank {
            Bank::Bic(bic) => {
                let element = if version == PainVersion::V03 { "BIC" } else { "BICFI" };
                self.within(&[name, "FinInstnId"], element, bic)
            }
            Bank::Member { system, number } => {
                self.open(name)?;
                self.open("FinInstnId")?;
                self.open("ClrSysMmbId")?;
                self.within(&["ClrSysId"], "Cd", system)?;
                self.leaf("MmbId", number)?;
                self.close("ClrSysMmbId")?;
                self.close("FinInstnId")?;
                self.close(name)
            }
            Bank::NotSaid => self.within(&[name, "FinInstnId", "Othr"], "Id", "NOTPROVIDED"),
        }
    }
}

/// An id as every bank takes it: set X, no slash at an end, none twice.
fn id<'a>(field: &'static str, text: &'a str) -> Result<&'a str, ExportError> {
    spelled(field, text, Charset::Latin, ID_CHARS_MAX)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || text.starts_with('/') || text.ends_with('/') || text.contains("//") {
        return Err(ExportError::BadField { field, found: text.to_owned() });
    }
    Ok(text)
}

/// The text in the bank's characters, whole or not at all.
fn spelled(field: &'static str, text: &str, charset: Charset, max: usize) -> Result<String, ExportError> {
    let mut spelled = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match charset {
            Charset::Latin => match latin(character) {
                Some(letters) => spelled.push_str(letters),
                None if is_swift_x(character) => spelled.push(character),
                None => return Err(ExportError::FieldCharacter { field, character }),
            },
            Charset::Unicode if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                return Err(ExportError::FieldCharacter { field, character });
            }
            Charset::Unicode => spelled.push(character),
        }
    }
    let found = spelled.chars().count();
    match found {
        0 => Err(ExportError::FieldCharacter { field, character: ' ' }),
        _ if found > max => Err(ExportError::FieldTooLong { field, found, max }),
        _ => Ok(spelled),
    }
}

fn is_swift_x(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '/' | '-' | '?' | ':' | '(' | ')' | '.' | ',' | '\'' | '+' | ' ')
}

/// Latin letters with marks, without them, as passports and banks spell them.
fn latin(character: char) -> Option<&'static str> {
    Some(match character {
        'À' | 'Á' | 'Â' | 'Ã' | 'Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'Ä' | 'Æ' => "AE",
        'ä' | 'æ' => "ae",
        'Ç' | 'Ć' | 'Č' => "C",
        'ç' | 'ć' | 'č' => "c",
        'Ď' | 'Đ' | 'Ð' => "D",
        'ď' | 'đ' | 'ð' => "d",
        'È' | 'É' | 'Ê' | 'Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "E",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'Ğ' | 'Ģ' => "G",
        'ğ' | 'ģ' => "g",
        'Ì' | 'Í' | 'Î' | 'Ï' | 'Ī' | 'Į' | 'İ' => "I",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'Ķ' => "K",
        'ķ' => "k",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' => "L",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => "N",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ō' | 'Ő' => "O",
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'Ö' | 'Ø' | 'Œ' => "OE",
        'ö' | 'ø' | 'œ' => "oe",
        'Ŕ' | 'Ř' => "R",
        'ŕ' | 'ř' => "r",
        'Ś' | 'Ş' | 'Š' | 'Ș' => "S",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'Ţ' | 'Ť' | 'Ț' => "T",
        'ţ' | 'ť' | 'ț' => "t",
        'Þ' => "TH",
        'þ' => "th",
        'Ù' | 'Ú' | 'Û' | 'Ū' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'Ü' => "UE",
        'ü' => "ue",
        'Ý' | 'Ÿ' => "Y",
        'ý' | 'ÿ' => "y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ź' | 'ż' | 'ž' => "z",
        '\u{2018}' | '\u{2019}' => "'",
        '\u{2010}'..='\u{2014}' => "-",
        _ => return None,
    })
}
