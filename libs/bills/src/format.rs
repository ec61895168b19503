//! The formats that are read, and which of them were tried against a real file.

use crate::ColumnProfile;
use std::sync::Arc;

/// A format of bills or statements.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// WeChat Pay merchant, 交易账单: every payment and refund of a day, with totals.
    WechatTrade,
    /// WeChat Pay merchant, 资金账单: every movement of the merchant's balance, with totals.
    WechatFund,
    /// Alipay merchant, 业务账单 (`bill_type=trade`).
    AlipayTrade,
    /// Alipay merchant, 账务账单 (`bill_type=signcustomer`).
    AlipayFund,
    /// Stripe's balance transactions: its reports, or a warehouse's copy of the table.
    StripeBalance,
    /// Stripe's payouts: its reports, or a warehouse's copy of the table.
    StripePayouts,
    /// ISO 20022 camt.053.001, versions .02 to .08.
    Camt053,
    /// SWIFT MT940.
    Mt940,
    /// Any other CSV or XLSX, by a saved column profile.
    Profile(Arc<ColumnProfile>),
}

impl Format {
    /// A stable name.
    pub fn label(&self) -> &'static str {
        match self {
            Format::WechatTrade => "wechat-trade",
            Format::WechatFund => "wechat-fund",
            Format::AlipayTrade => "alipay-trade",
            Format::AlipayFund => "alipay-fund",
            Format::StripeBalance => "stripe-balance",
            Format::StripePayouts => "stripe-payouts",
            Format::Camt053 => "camt-053",
            Format::Mt940 => "mt940",
            Format::Profile(_) => "profile",
        }
    }

    /// Whether a real file of this format was at hand. `false` is *layout only*: built from published
    /// layouts. Of camt.053 the versions .02, .03 and .04 were at hand, of Stripe only a warehouse's copies.
    pub fn has_real_sample(&self) -> bool {
        match self {
            Format::WechatTrade | Format::StripeBalance | Format::StripePayouts | Format::Camt053 => true,
            Format::WechatFund | Format::AlipayTrade | Format::AlipayFund | Format::Mt940 => false,
            // Whoever saved the profile had the file.
            Format::Profile(_) => true,
        }
    }
}
