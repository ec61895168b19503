//! Which contracts and face values these are, by their content: equal digests are equal rows, whatever their number.
//!
//! The database keeps the digest of what is in force and makes it of the same texts (`0132_book_digest.sql`); they are
//! part of the stored format. It guards against what is old, lost or changed by hand, not against a forger.

use crate::domain::contract::Agreed;
use chrono::NaiveDate;
use ids::AgencyId;
use money::Micros;
use sha2::{Digest, Sha256};

/// How many rows there are, and the sums of the first and of the next eight bytes of each row's SHA-256, as signed
/// numbers. The order of rows does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookDigest {
    pub row_count: i64,
    pub print_high: i128,
    pub print_low: i128,
}

impl BookDigest {
    /// Adds a contract's version.
    pub fn add_contract(&mut self, contract: &Agreed) {
        let Agreed { streamer_id, version, valid_from, terms } = contract;
        let agency = terms.agency_id.map(AgencyId::uuid).map(|id| id.to_string()).unwrap_or_default();
        let [streamer, of_agency, platform, tax] =
            [terms.streamer_ppm, terms.agency_ppm, terms.platform_ppm, terms.tax_ppm].map(|ppm| ppm.get());
        let (day, promo) = (day_number(*valid_from), terms.promo.code());
        let streamer_id = streamer_id.uuid();
        self.add(&format!(
            "contract|{streamer_id}|{version}|{day}|{agency}|{streamer}|{of_agency}|{platform}|{tax}|{promo}"
        ));
    }

    /// Adds what coins are worth from a day on.
    pub fn add_face_value(&mut self, currency: &str, valid_from: NaiveDate, micros_per_coin: Micros) {
        self.add(&format!("face_value|{currency}|{}|{}", day_number(valid_from), micros_per_coin.get()));
    }

    fn add(&mut self, row_text: &str) {
        let print: [u8; 32] = Sha256::digest(row_text.as_bytes()).into();
        let half = |at: usize| -> i128 {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&print[at..at + 8]);
            i64::from_be_bytes(bytes).into()
        };
        self.row_count += 1;
        self.print_high += half(0); // Fits for as many rows as can be counted.
        self.print_low += half(8);
    }
}

/// Days since 1970-01-01.
fn day_number(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}
