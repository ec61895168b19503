//! Contracts: who shares what of an order, from a day on.

use chrono::NaiveDate;
use ids::{AgencyId, StreamerId, Uuid};
use money::{PPM_WHOLE, Ppm};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether the streamer and the agency share in promotional coins, which the platform pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Promo {
    Shared,
    NotShared,
}

impl Promo {
    /// The number in the column `promo`. Part of the stored format.
    pub const fn code(self) -> i16 {
        match self {
            Promo::Shared => 1,
            Promo::NotShared => 2,
        }
    }

    /// The value of a stored code.
    pub const fn of_code(code: i16) -> Option<Promo> {
        match code {
            1 => Some(Promo::Shared),
            2 => Some(Promo::NotShared),
            _ => None,
        }
    }
}

/// What a contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_id: Option<AgencyId>,
    pub streamer_ppm: Ppm,
    pub agency_ppm: Ppm,
    pub platform_ppm: Ppm,
    /// Value added tax contained in the paid value; the platform's share bears it.
    pub tax_ppm: Ppm,
    pub promo: Promo,
}

/// Why terms cannot be agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    #[error("the shares of streamer, agency and platform must sum to 1,000,000 ppm")]
    SharesNotWhole,
    #[error("an agency's share needs an agency_id")]
    AgencyMissing,
    #[error("the platform's share cannot bear the tax: {needed_ppm} ppm are needed at least")]
    TaxNotBorne { needed_ppm: u32 },
}

impl Terms {
    /// Checks terms.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn check(&self) -> Result<(), TermsError> {
        let shares = [self.streamer_ppm, self.agency_ppm, self.platform_ppm];
        let whole: u64 = shares.iter().map(|share| u64::from(share.get())).sum();
        if whole != u64::from(PPM_WHOLE) {
            return Err(TermsError::SharesNotWhole);
        }
        if self.agency_id.is_none() && self.agency_ppm != Ppm::ZERO {
            return Err(TermsError::AgencyMissing);
        }
        // The tax contained in a whole is rate / (1 + rate) of it.
        let rate = u64::from(self.tax_ppm.get());
        let needed = (rate * u64::from(PPM_WHOLE)).div_ceil(u64::from(PPM_WHOLE) + rate);
        if u64::from(self.platform_ppm.get()) < needed {
            return Err(TermsError::TaxNotBorne { needed_ppm: u32::try_from(needed).unwrap_or(u32::MAX) });
        }
        Ok(())
    }
}

/// One version of a streamer's contract, or of the default one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contract {
    /// The nil id: the default contract.
    pub streamer_id: StreamerId,
    /// From 1 up for a streamer's own, from -1 down for the default.
    pub version: i32,
    pub valid_from: NaiveDate,
    #[serde(flatten)]
    pub terms: Terms,
    pub created_by: String,
    /// Never who made it.
    pub approved_by: String,
}

/// What one version of a contract says: all that orders are settled by, without who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The nil id: the default contract.
    pub streamer_id: StreamerId,
    pub version: i32,
    pub valid_from: NaiveDate,
    pub terms: Terms,
}

/// The streamer of the default contract.
pub const DEFAULT_STREAMER: StreamerId = StreamerId::from_uuid(Uuid::nil());

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn terms(streamer: u32, agency: u32, tax: u32, promo: Promo) -> Terms {
        let ppm = |n| Ppm::try_new(n).expect("in range");
        Terms {
            agency_id: (agency > 0).then(|| AgencyId::from_uuid(ids::named_id("agency", "one"))),
            streamer_ppm: ppm(streamer),
            agency_ppm: ppm(agency),
            platform_ppm: ppm(PPM_WHOLE - streamer - agency),
            tax_ppm: ppm(tax),
            promo,
        }
    }

    #[test]
    fn terms_that_cannot_be_kept_are_refused() {
        assert_eq!(terms(500_000, 0, 60_000, Promo::Shared).check(), Ok(()));
        let mut odd = terms(500_000, 0, 60_000, Promo::Shared);
        odd.agency_ppm = odd.streamer_ppm;
        assert_eq!(odd.check(), Err(TermsError::SharesNotWhole));
        odd = terms(500_000, 100_000, 60_000, Promo::Shared);
        odd.agency_id = None;
        assert_eq!(odd.check(), Err(TermsError::AgencyMissing));
        // 6 % of the net is 56,603.77 ppm of the gross.
        assert_eq!(terms(943_396, 0, 60_000, Promo::Shared).check(), Ok(()));
        let poor = terms(943_397, 0, 60_000, Promo::Shared).check();
        assert_eq!(poor, Err(TermsError::TaxNotBorne { needed_ppm: 56_604 }));
    }
}
