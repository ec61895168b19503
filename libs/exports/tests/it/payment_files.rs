//! Payment files read back: elements stand in the published order, and count and sum are those of the payments.

use crate::amounts::units_of;
use crate::book::day;
use chrono::{DateTime, Utc};
use exports::{
    AccountNumber, Bank, Booking, Charset, Commodity, CsvTable, ExportError, PainVersion, Party, Payment,
    PaymentFile, PaymentOrder, PaymentTotals, payment_columns, push_payment,
};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

/// The children that an element may have, in the order of the message definition. Elements that we never write are
/// left out; those that must be there carry a `!`.
const LAYOUT: [(&str, &str); 21] = [
    ("Document", "CstmrCdtTrfInitn!"),
    ("CstmrCdtTrfInitn", "GrpHdr! PmtInf!"),
    ("GrpHdr", "MsgId! CreDtTm! NbOfTxs! CtrlSum InitgPty!"),
    ("InitgPty", "Nm"),
    (
        "PmtInf",
        "PmtInfId! PmtMtd! BtchBookg NbOfTxs CtrlSum ReqdExctnDt! Dbtr! DbtrAcct! DbtrAgt! CdtTrfTxInf!",
    ),
    ("ReqdExctnDt", "Dt"),
    ("Dbtr", "Nm"),
    ("Cdtr", "Nm"),
    ("DbtrAcct", "Id!"),
    ("CdtrAcct", "Id!"),
    ("DbtrAgt", "FinInstnId!"),
    ("CdtrAgt", "FinInstnId!"),
    ("FinInstnId", "BICFI BIC ClrSysMmbId Othr"),
    ("ClrSysMmbId", "ClrSysId MmbId!"),
    ("ClrSysId", "Cd"),
    ("Othr", "Id!"),
    ("CdtTrfTxInf", "PmtId! Amt! CdtrAgt Cdtr CdtrAcct RmtInf"),
    ("PmtId", "EndToEndId!"),
    ("Amt", "InstdAmt"),
    ("RmtInf", "Ustrd"),
    // An account's id: a choice.
    ("Id", "IBAN Othr"),
];

#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn all<'a>(&'a self, path: &[&str]) -> Vec<&'a Element> {
        let Some((first, rest)) = path.split_first() else { return vec![self] };
        self.children.iter().filter(|child| child.name == *first).flat_map(|child| child.all(rest)).collect()
    }

    fn one(&self, path: &[&str]) -> &str {
        let found = self.all(path);
        assert_eq!(found.len(), 1, "{path:?}");
        &found[0].text
    }

    /// Refuses children that are unknown, out of order, doubled (but payments), or missing.
    fn assert_layout(&self) {
        let layout = LAYOUT.iter().find(|(name, _)| *name == self.name);
        let is_leaf_id = self.name == "Id" && self.children.is_empty();
        let Some((_, wanted)) = layout.filter(|_| !is_leaf_id && !self.children.is_empty()) else {
            assert!(self.children.is_empty(), "{} is not known to have children", self.name);
            assert!(!self.text.is_empty(), "{} is empty", self.name);
            return;
        };
        let wanted: Vec<&str> = wanted.split(' ').collect();
        let mut last = None;
        for child in &self.children {
            let at = wanted.iter().position(|name| name.trim_end_matches('!') == child.name);
            let at = at.unwrap_or_else(|| panic!("{} has no {}", self.name, child.name));
            let may_repeat = child.name == "CdtTrfTxInf" && last == Some(at);
            assert!(last < Some(at) || may_repeat, "{} is out of order in {}", child.name, self.name);
            last = Some(at);
            child.assert_layout();
        }
        for must in wanted.iter().filter_map(|name| name.strip_suffix('!')) {
            assert!(self.children.iter().any(|child| child.name == must), "{} lacks {must}", self.name);
        }
    }
}

fn parse(xml: &[u8]) -> Element {
    let mut reader = Reader::from_reader(xml);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().expect("XML") {
            Event::Start(start) => {
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.expect("an attribute");
                    (attribute.key.as_ref().to_owned(), attribute.value.to_string())
                });
                let attributes = attributes.collect();
                open.push(Element {
                    name: start.name().as_ref().to_owned(),
                    attributes,
                    ..Element::default()
                });
            }
            Event::End(_) => {
                let done = open.pop().expect("an open element");
                open.last_mut().expect("one around it").children.push(done);
            }
            Event::Text(text) => open.last_mut().expect("an element").text.push_str(&text),
            Event::GeneralRef(entity) => {
                let letter = match &*entity {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "apos" => '\'',
                    "quot" => '"',
                    other => panic!("the entity {other}"),
                };
                open.last_mut().expect("an element").text.push(letter);
            }
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("{other:?} is not expected"),
        }
    }
    let mut root = open.pop().expect("the root");
    root.children.pop().expect("the document")
}

fn party(name: &str) -> Party {
    Party {
        name: name.to_owned(),
        account: AccountNumber::Other("6222020200112233445".to_owned()),
        bank: Bank::Member { system: "CNAPS".to_owned(), number: "102100099996".to_owned() },
    }
}

fn order(version: PainVersion, charset: Charset) -> PaymentOrder {
    PaymentOrder {
        version,
        charset,
        booking: Booking::Batch,
        message_id: "PAYOUT-2026-11-22-1".to_owned(),
        created_at: DateTime::<Utc>::from_timestamp(1_795_000_000, 0).expect("an instant"),
        execution_day: day(23),
        debtor: Party {
            name: "Largesse".to_owned(),
            account: AccountNumber::Iban("DE89370400440532013000".to_owned()),
            bank: Bank::Bic("DEUTDEFF".to_owned()),
        },
        currency: Commodity::try_new("CNY", 2).expect("a plain code"),
    }
}

/// Writes payments of these amounts.
fn write(
    order: &PaymentOrder,
    creditor: &Party,
    amounts: &[i64],
    remittance: &str,
) -> Result<Vec<u8>, ExportError> {
    let ids: Vec<String> = (0..amounts.len()).map(|number| format!("{number:032x}")).collect();
    let payments: Vec<Payment<'_>> = ids
        .iter()
        .zip(amounts)
        .map(|(id, amount)| Payment {
            end_to_end_id: id,
            payee_id: "ann",
            creditor,
            amount_minor: *amount,
            remittance,
        })
        .collect();
    let mut totals = PaymentTotals::default();
    payments.iter().try_for_each(|payment| totals.add(payment))?;
    let mut file = PaymentFile::try_new(Vec::new(), order, totals)?;
    payments.iter().try_for_each(|payment| file.push(payment))?;
    file.finish()
}

proptest! {
    #[test]
    fn count_and_sum_are_those_of_the_payments_and_elements_stand_in_order(
        amounts in proptest::collection::vec(1_i64..10_000_000_000_000, 1..20), old in any::<bool>(), bank in 0..3,
        name in "[a-zA-Z <>&'\"张éø]{0,20}张",
    ) {
        let version = if old { PainVersion::V03 } else { PainVersion::V09 };
        let mut creditor = party(&name);
        match bank {
            0 => creditor.bank = Bank::Bic("BKCHCNBJXXX".to_owned()),
            1 => creditor.bank = Bank::NotSaid,
            _ => {}
        }
        let order = order(version, Charset::Unicode);
        let document = parse(&write(&order, &creditor, &amounts, "Share of <November> & more").expect("a file"));
        document.assert_layout();
        let namespace = &document.attributes[0].1;
        prop_assert_eq!(namespace.ends_with(if old { "pain.001.001.03" } else { "pain.001.001.09" }), true);
        let sum: i128 = amounts.iter().copied().map(i128::from).sum();
        let transfers = document.all(&["CstmrCdtTrfInitn", "PmtInf", "CdtTrfTxInf"]);
        prop_assert_eq!(transfers.len(), amounts.len());
        let paid: i128 = transfers.iter().map(|transfer| units_of(transfer.one(&["Amt", "InstdAmt"]), 2)).sum();
        prop_assert_eq!(paid, sum);
        for part in ["GrpHdr", "PmtInf"] {
            prop_assert_eq!(document.one(&["CstmrCdtTrfInitn", part, "NbOfTxs"]), amounts.len().to_string());
            prop_assert_eq!(units_of(document.one(&["CstmrCdtTrfInitn", part, "CtrlSum"]), 2), sum);
        }
        for transfer in transfers {
            prop_assert_eq!(transfer.one(&["Cdtr", "Nm"]), name.trim());
            prop_assert_eq!(transfer.one(&["CdtrAcct", "Id", "Othr", "Id"]), "6222020200112233445");
            prop_assert_eq!(transfer.one(&["RmtInf", "Ustrd"]), "Share of <November> & more");
        }
    }
}

#[test]
fn latin_names_lose_their_marks_and_other_scripts_are_refused() {
    let order = order(PainVersion::V09, Charset::Latin);
    let file = write(&order, &party("Zoë Müller-Łęcka"), &[1], "").expect("a file");
    let document = parse(&file);
    assert_eq!(
        document.one(&["CstmrCdtTrfInitn", "PmtInf", "CdtTrfTxInf", "Cdtr", "Nm"]),
        "Zoe Mueller-Lecka"
    );
    assert!(document.all(&["CstmrCdtTrfInitn", "PmtInf", "CdtTrfTxInf", "RmtInf"]).is_empty());
    let refused = write(&order, &party("张三"), &[1], "");
    assert!(matches!(refused, Err(ExportError::FieldCharacter { field: "creditor name", character: '张' })));
    let refused = write(&order, &party("Ann"), &[1], "a_b");
    assert!(matches!(refused, Err(ExportError::FieldCharacter { field: "remittance", character: '_' })));
}

#[test]
fn nothing_is_cut() {
    let unicode = order(PainVersion::V09, Charset::Unicode);
    let long = "x".repeat(141);
    let refused = write(&unicode, &party(&long), &[1], "");
    assert!(matches!(
        refused,
        Err(ExportError::FieldTooLong { field: "creditor name", found: 141, max: 140 })
    ));
    let refused = write(&unicode, &party("Ann"), &[1], &long);
    assert!(matches!(refused, Err(ExportError::FieldTooLong { field: "remittance", .. })));
    // Spelling can lengthen a name past the limit.
    let refused = write(&order(PainVersion::V09, Charset::Latin), &party(&"Ü".repeat(71)), &[1], "");
    assert!(matches!(refused, Err(ExportError::FieldTooLong { found: 142, .. })));
    for (account, is_good) in [
        (AccountNumber::Other("1".repeat(34)), true),
        (AccountNumber::Other("1".repeat(35)), false),
        (AccountNumber::Other(String::new()), false),
        (AccountNumber::Other("6222 0202".to_owned()), false),
        (AccountNumber::Iban("DE89370400440532013000".to_owned()), true),
        (AccountNumber::Iban("DE88370400440532013000".to_owned()), false),
        (AccountNumber::Iban("DE89 3704 0044 0532 0130 00".to_owned()), false),
        (AccountNumber::Iban("GB29NWBK60161331926819".to_owned()), true),
    ] {
        let creditor = Party { account: account.clone(), ..party("Ann") };
        assert_eq!(write(&unicode, &creditor, &[1], "").is_ok(), is_good, "{account:?}");
    }
    for (bic, is_good) in
        [("BKCHCNBJ", true), ("BKCHCNBJ300", true), ("BKCHCNBJ3", false), ("bkchcnbj", false)]
    {
        let creditor = Party { bank: Bank::Bic(bic.to_owned()), ..party("Ann") };
        assert_eq!(write(&unicode, &creditor, &[1], "").is_ok(), is_good, "{bic}");
    }
}

#[test]
fn amounts_and_ids_that_no_bank_takes_are_refused() {
    let good = order(PainVersion::V03, Charset::Unicode);
    for amounts in [&[0][..], &[5, -1], &[i64::MAX], &[999_999_999_999_999_999, 1], &[]] {
        assert!(write(&good, &party("Ann"), amounts, "").is_err(), "{amounts:?}");
    }
    for message_id in ["", "/1", "1/", "a//b", "a b", "ä", &"1".repeat(36)] {
        let order = PaymentOrder { message_id: message_id.to_owned(), ..good.clone() };
        assert!(write(&order, &party("Ann"), &[1], "").is_err(), "{message_id:?}");
    }
}

#[test]
fn payments_that_are_not_those_stated_make_no_file() {
    let (order, creditor) = (order(PainVersion::V09, Charset::Unicode), party("Ann"));
    for stated in [PaymentTotals { count: 2, sum_minor: 5 }, PaymentTotals { count: 1, sum_minor: 6 }] {
        let mut file = PaymentFile::try_new(Vec::new(), &order, stated).expect("a header");
        let payment = Payment {
            end_to_end_id: "1",
            payee_id: "ann",
            creditor: &creditor,
            amount_minor: 5,
            remittance: "",
        };
        file.push(&payment).expect("a payment");
        assert!(matches!(file.finish(), Err(ExportError::TotalsDiffer { .. })), "{stated:?}");
    }
}

#[test]
fn the_payment_list_is_a_table_too() {
    let currency = Commodity::try_new("CNY", 2).expect("a plain code");
    let mut table = CsvTable::try_new(Vec::new(), &payment_columns(&currency)).expect("columns");
    let creditor = party("=张三");
    let payment = Payment {
        end_to_end_id: "e1",
        payee_id: "p1",
        creditor: &creditor,
        amount_minor: 12_345,
        remittance: "十一月",
    };
    push_payment(&mut table, &payment).expect("a payment");
    let (bytes, written) = table.finish().expect("a file");
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(
        text.ends_with("\r\ne1,p1,'=张三,other,6222020200112233445,102100099996,123.45,十一月\r\n"),
        "{text}"
    );
    assert_eq!(written.totals[6], Some(12_345));
}
