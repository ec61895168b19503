//! What a file is, by its own header names or namespace and never by its name. Owns the signs of personal
//! exports and of messages that are not statements.

use crate::header::{Header, plain};
use crate::lines::BOM;
use crate::{Format, Limits, Refusal};
use encoding_rs::{Encoding, GBK, UTF_8};
use std::borrow::Cow;

/// Bytes of a file's beginning that are looked at.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Lines of the beginning that may come before a header.
const HEAD_LINES: usize = 64;

/// What the beginning of an unpacked file is.
pub(crate) struct Detected {
    pub format: Format,
    pub encoding: &'static Encoding,
}

/// Finds the format of an unpacked file by its first bytes (up to [`HEAD_BYTES`]).
pub(crate) fn detect(head: &[u8], limits: &Limits) -> Result<Detected, Refusal> {
    let head = head.strip_prefix(BOM).unwrap_or(head);
    let (text, encoding) = decode(head);
    let text = text.trim_start_matches(['\u{feff}', '\r', '\n', ' ', '\t']);
    if text.starts_with('<') {
        return crate::xml::detect(text).map(|format| Detected { format, encoding: UTF_8 });
    }
    if text.starts_with("{1:") || text.starts_with(":20:") {
        return Ok(Detected { format: Format::Mt940, encoding });
    }
    for line in text.lines().take(HEAD_LINES) {
        refuse_personal(line)?;
        let Ok(header) = Header::of(1, line.split(','), limits) else { continue };
        if let Some(format) = table(&header)? {
            return Ok(Detected { format, encoding });
        }
    }
    Err(Refusal::unknown(text))
}

/// The text of a beginning, which may end within a character: UTF-8 if it is, else GBK.
fn decode(head: &[u8]) -> (Cow<'_, str>, &'static Encoding) {
    match std::str::from_utf8(head) {
        Ok(text) => (Cow::Borrowed(text), UTF_8),
        // No complete character is wrong; the last one is cut off.
        Err(error) if error.error_len().is_none() => {
            (String::from_utf8_lossy(&head[..error.valid_up_to()]), UTF_8)
        }
        Err(_) => (GBK.decode_without_bom_handling(head).0, GBK),
    }
}

/// Signs that stand in the preface of personal exports.
pub(crate) fn refuse_personal(line: &str) -> Result<(), Refusal> {
    if line.contains("微信支付账单明细") || line.contains("微信昵称：") {
        return Err(Refusal::WechatPersonal);
    }
    let alipay = ["电子客户回单", "支付宝交易记录明细查询", "支付宝账户：", "支付宝（中国）网络技术有限公司"];
    if alipay.iter().any(|sign| line.contains(sign)) {
        return Err(Refusal::AlipayPersonal);
    }
    Ok(())
}

fn table(header: &Header) -> Result<Option<Format>, Refusal> {
    let has = |name: &str| header.names().any(|(_, column)| column == name);
    let all = |names: &[&str]| names.iter().all(|name| has(name));
    if all(&["交易时间", "微信订单号", "交易状态", "手续费"]) {
        return Ok(Some(Format::WechatTrade));
    }
    if all(&["记账时间", "资金流水单号", "收支类型"]) {
        return Ok(Some(Format::WechatFund));
    }
    if all(&["支付宝交易号", "业务类型", "商家实收(元)"]) {
        return Ok(Some(Format::AlipayTrade));
    }
    if all(&["账务流水号", "账户余额(元)", "业务类型"]) {
        return Ok(Some(Format::AlipayFund));
    }
    if has("交易订单总笔数") {
        return Err(Refusal::AlipaySummaryOnly);
    }
    if has("收/支") && has("当前状态") {
        return Err(Refusal::WechatPersonal);
    }
    if has("收/支") && (has("交易分类") || has("交易对方") || has("商家订单号")) {
        return Err(Refusal::AlipayPersonal);
    }
    stripe(&has)
}

/// Stripe's tables, by columns that only one of them has.
fn stripe(has: &impl Fn(&str) -> bool) -> Result<Option<Format>, Refusal> {
    if has("arrival_date") || has("payout_expected_arrival_date") {
        return Ok(Some(Format::StripePayouts));
    }
    let is_report = has("balance_transaction_id") && (has("gross") || has("amount")) && has("net");
    let is_copy = has("id") && has("amount") && has("source") && has("net");
    if (is_report || is_copy) && has("fee") && has("currency") {
        return Ok(Some(Format::StripeBalance));
    }
    let others = [
        ("payment_intent_id", "charges"),
        ("evidence_details_due_by", "disputes"),
        ("destination_payment", "transfers"),
        ("receipt_number", "refunds"),
        ("payout_id", "the transactions of payouts, without amounts"),
        ("index", "fees"),
    ];
    let is_stripe = has("balance_transaction_id") || has("balance_transaction");
    match others.iter().find(|(column, _)| is_stripe && has(column)) {
        Some((_, name)) => Err(Refusal::StripeTable(name)),
        None => Ok(None),
    }
}

/// The same for cells of a workbook.
pub(crate) fn refuse_personal_cells<'a>(cells: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    for cell in cells {
        refuse_personal(cell)?;
        if plain(cell) == "收/支" {
            return Err(Refusal::AlipayPersonal);
        }
    }
    Ok(())
}
