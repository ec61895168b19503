//! Files that are known and not imported, each refused by its name with what to export instead.

use crate::error::{Place, clip};

/// A file that looks like a bill and is not one, or is not one that is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What a person exports from the WeChat app.
    WechatPersonal,
    /// What a person exports from the Alipay app or web page.
    AlipayPersonal,
    /// An ISO 20022 message other than camt.053 in the versions .02 to .08, by its own name.
    Iso20022(String),
    /// A Stripe table that holds no money movements of the balance, by its name.
    StripeTable(&'static str),
    /// Only the summary of an Alipay archive, without its details.
    AlipaySummaryOnly,
    /// A ZIP archive without a bill in it.
    EmptyArchive,
    /// An XML document with a DTD or entities of its own: never needed, and a way to harm a reader.
    Dtd(Place),
    /// A workbook: it needs a saved column profile.
    WorkbookWithoutProfile,
    /// Nothing known: what the file begins with.
    Unknown(String),
}

impl Refusal {
    pub(crate) fn unknown(seen: &str) -> Refusal {
        Refusal::Unknown(clip(seen))
    }

    /// A stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::WechatPersonal => "bill-wechat-personal",
            Refusal::AlipayPersonal => "bill-alipay-personal",
            Refusal::Iso20022(_) => "bill-other-iso20022",
            Refusal::StripeTable(_) => "bill-other-stripe-table",
            Refusal::AlipaySummaryOnly => "bill-alipay-summary-only",
            Refusal::EmptyArchive => "bill-empty-archive",
            Refusal::Dtd(_) => "bill-xml-dtd",
            Refusal::WorkbookWithoutProfile => "bill-workbook-without-profile",
            Refusal::Unknown(_) => "bill-unknown-format",
        }
    }

    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Refusal::Dtd(place) => Some(*place),
            _ => None,
        }
    }
}

impl std::error::Error for Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::WechatPersonal => f.write_str(
                "this is a personal WeChat export (微信支付账单明细), not a merchant bill: \
                 export 交易账单 or 资金账单 from the WeChat Pay merchant platform instead",
            ),
            Refusal::AlipayPersonal => f.write_str(
                "this is a personal Alipay export (支付宝电子客户回单), not a merchant bill: \
                 download 业务账单 or 账务账单 from the Alipay merchant centre instead",
            ),
            Refusal::Iso20022(name) => write!(f, "this is {name}{}", instead_of(name)),
            Refusal::StripeTable(name) => write!(
                f,
                "this is Stripe's table of {name}, which does not move the balance: \
                 export balance transactions, the payout reconciliation or payouts instead"
            ),
            Refusal::AlipaySummaryOnly => f.write_str(
                "this is only the summary (汇总) of an Alipay bill: import the archive, or its detail member",
            ),
            Refusal::EmptyArchive => f.write_str("no member of this archive is a bill"),
            Refusal::Dtd(place) => write!(f, "{place}: the document declares a DTD or entities"),
            Refusal::WorkbookWithoutProfile => f.write_str(
                "this is a workbook (XLSX): save a column profile that says which column is what, and name it",
            ),
            Refusal::Unknown(seen) => write!(f, "no known bill or statement begins with {seen:?}"),
        }
    }
}

fn instead_of(message: &str) -> &'static str {
    match message.get(..8) {
        Some("camt.052") => {
            ", the report within a day, which may still change: ask the bank for camt.053 instead"
        }
        Some("camt.054") => {
            ", a notice of single entries without balances: ask the bank for camt.053 instead"
        }
        Some("camt.055") => {
            ", a request to cancel payments, not a statement: ask the bank for camt.053 instead"
        }
        Some("camt.053") => ": camt.053 is read in the versions .02 to .08",
        _ => ", not a statement: ask the bank for camt.053 instead",
    }
}
