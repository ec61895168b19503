//! What comes off a channel's debt: payments or withdrawals that a match says a bank's statement shows, and the fees that
//! the channel's own statement takes.

use chrono::NaiveDate;
use ids::{RequestId, Uuid, named_id};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What of a channel the bank's statement, or the channel's own, tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaidAbout {
    /// Payments and refunds, matched with what the bank shows of them, less the channel's fee.
    Payments,
    /// Withdrawals from our balance with the channel, matched with the very sums at the bank.
    Withdrawals,
    /// What the channel took off that balance for its services in one day.
    Fees,
}

impl PaidAbout {
    const ALL: [PaidAbout; 3] = [PaidAbout::Payments, PaidAbout::Withdrawals, PaidAbout::Fees];

    /// The name in the column `about`. Part of the stored format.
    pub const fn as_str(self) -> &'static str {
        match self {
            PaidAbout::Payments => "payments",
            PaidAbout::Withdrawals => "withdrawals",
            PaidAbout::Fees => "fees",
        }
    }

    /// That of a stored name.
    pub fn of_name(name: &str) -> Option<PaidAbout> {
        PaidAbout::ALL.into_iter().find(|about| about.as_str() == name)
    }
}

/// One payment of a channel to us, or one day's fees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPaid {
    /// The match; of fees, an id that follows from what they come to.
    pub match_id: Uuid,
    pub about: PaidAbout,
    pub channel: String,
    /// That of the statement's newest line.
    pub day: NaiveDate,
    /// What the payments sum to, in minor units; below zero where refunds are more.
    pub gross_minor: i64,
    /// What the bank shows. The rest is the channel's fee.
    pub net_minor: i64,
    pub currency: String,
    /// How many payments, withdrawals or fees.
    pub payments: i64,
}

impl ChannelPaid {
    /// A day's fees. Another sum is another fact: it is posted beside what takes the first one back.
    pub fn of_fees(channel: &str, day: NaiveDate, (currency, minor, rows): (&str, i64, i64)) -> ChannelPaid {
        ChannelPaid {
            match_id: named_id("channel-fees", &format!("{channel}/{day}/{currency}/{minor}")),
            about: PaidAbout::Fees,
            channel: channel.to_owned(),
            day,
            gross_minor: minor,
            net_minor: 0,
            currency: currency.to_owned(),
            payments: rows,
        }
    }
}

/// It as it is to be posted: made in odd turns and taken back in even ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub paid: ChannelPaid,
    pub turn: i32,
}

impl Turn {
    /// Under which clearing is asked for its voucher, however often.
    pub fn request_id(&self) -> RequestId {
        RequestId::from_uuid(named_id("channel-settlement", &format!("{}/{}", self.paid.match_id, self.turn)))
    }

    const fn is_made(&self) -> bool {
        self.turn % 2 == 1
    }

    /// What follows it: nothing where it is as it should be.
    fn next(&self, is_matched: bool) -> Option<Turn> {
        let turn = self.turn.checked_add(1)?;
        let paid = ChannelPaid {
            gross_minor: self.paid.gross_minor.checked_neg()?,
            net_minor: self.paid.net_minor.checked_neg()?,
            ..self.paid.clone()
        };
        (self.is_made() != is_matched).then_some(Turn { paid, turn })
    }
}

/// What is to be posted, so that what stands is what is matched. `newest` has the newest turn of each match of the day.
pub fn turns_to_post(matched: &[ChannelPaid], newest: &[Turn]) -> Vec<Turn> {
    let is_matched: BTreeSet<Uuid> = matched.iter().map(|paid| paid.match_id).collect();
    let is_known: BTreeSet<Uuid> = newest.iter().map(|turn| turn.paid.match_id).collect();
    let again = newest.iter().filter_map(|turn| turn.next(is_matched.contains(&turn.paid.match_id)));
    let new = matched.iter().filter(|paid| !is_known.contains(&paid.match_id));
    let new = new.map(|paid| Turn { paid: paid.clone(), turn: 1 });
    new.filter(|turn| (turn.paid.gross_minor, turn.paid.net_minor) != (0, 0)).chain(again).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paid(id: u128, gross_minor: i64) -> ChannelPaid {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day");
        let (match_id, currency) = (Uuid::from_u128(id), "CNY".to_owned());
        let (about, channel) = (PaidAbout::Payments, "wechat".to_owned());
        ChannelPaid {
            match_id,
            about,
            channel,
            day,
            gross_minor,
            net_minor: gross_minor - 1,
            currency,
            payments: 2,
        }
    }

    fn said(turns: &[Turn]) -> Vec<(u128, i32, i64, i64)> {
        let one = |turn: &Turn| {
            (turn.paid.match_id.as_u128(), turn.turn, turn.paid.gross_minor, turn.paid.net_minor)
        };
        turns.iter().map(one).collect()
    }

    #[test]
    fn a_match_is_posted_once_taken_back_once_and_posted_again() {
        let first = turns_to_post(&[paid(7, 100)], &[]);
        assert_eq!(said(&first), [(7, 1, 100, 99)]);
        assert_eq!(turns_to_post(&[paid(7, 100)], &first), []);
        let second = turns_to_post(&[paid(8, 5)], &first);
        assert_eq!(said(&second), [(8, 1, 5, 4), (7, 2, -100, -99)]);
        let back: Vec<Turn> = second.into_iter().filter(|turn| turn.turn == 2).collect();
        assert_eq!(turns_to_post(&[], &back), [], "it is taken back once");
        let third = turns_to_post(&[paid(7, 100)], &back);
        assert_eq!(said(&third), [(7, 3, 100, 99)]);
        assert_ne!(first[0].request_id(), third[0].request_id());
        let nothing = ChannelPaid { net_minor: 0, ..paid(9, 0) };
        assert_eq!(turns_to_post(&[nothing], &[]), [], "a payment and its refund move nothing");
    }
}
