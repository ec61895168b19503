//! The default contract, which is a setting, and lists of what there is. Streamers' own contracts come by
//! [`crate::app::import_contracts`].

use crate::app::Settlement;
use crate::domain::contract::{Contract, DEFAULT_STREAMER, Promo, Terms};
use crate::domain::contract_file::write_contracts;
use crate::error::ContractError;
use crate::store::book::begin_change_in_tx;
use crate::store::contracts;
use chrono::NaiveDate;
use ids::{AgencyId, StreamerId};
use money::Ppm;
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

/// The most versions one list answers.
pub const CONTRACTS_PAGE_MAX: u16 = 500;

/// The most versions one page of an export has.
pub const EXPORT_PAGE_MAX: u16 = 5_000;

/// The default contract's first day: before every day of the product.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day of the calendar");

/// Who approves the default contract: whoever may change the configuration has approved it by that.
const APPROVED_BY_START: &str = "start with this setting";

/// What finance sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeContract {
    pub streamer_id: StreamerId,
    pub valid_from: NaiveDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_id: Option<AgencyId>,
    pub streamer_ppm: Ppm,
    pub agency_ppm: Ppm,
    pub platform_ppm: Ppm,
    /// Value added tax contained in the paid value; the platform's share bears it.
    pub tax_ppm: Ppm,
    pub promo: Promo,
}

impl MakeContract {
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            agency_id: self.agency_id,
            streamer_ppm: self.streamer_ppm,
            agency_ppm: self.agency_ppm,
            platform_ppm: self.platform_ppm,
            tax_ppm: self.tax_ppm,
            promo: self.promo,
        }
    }
}

impl Settlement {
    /// Versions of one streamer, or of those after another, oldest first.
    ///
    /// # Errors
    /// [`ContractError::Unavailable`].
    pub(crate) async fn list_contracts(
        &self,
        streamer: Option<StreamerId>,
        after: Option<StreamerId>,
    ) -> Result<Vec<Contract>, ContractError> {
        Ok(contracts::list_contracts(&self.db, streamer, after, i64::from(CONTRACTS_PAGE_MAX)).await?)
    }

    /// A page of streamers' own contracts as CSV, and the last of it where there may be more.
    ///
    /// # Errors
    /// [`ContractError::Unavailable`].
    pub(crate) async fn export_contracts(
        &self,
        streamer: Option<StreamerId>,
        after: (StreamerId, i32),
    ) -> Result<(String, Option<(StreamerId, i32)>), ContractError> {
        let limit = i64::from(EXPORT_PAGE_MAX);
        let page = contracts::list_to_export(&self.db, streamer, after, limit).await?;
        let is_full = page.len() >= usize::from(EXPORT_PAGE_MAX);
        let next = page.last().filter(|_| is_full).map(|last| (last.streamer_id, last.version));
        let rows = page.iter().map(|contract| (contract.streamer_id, contract.valid_from, &contract.terms));
        Ok((write_contracts(rows), next))
    }
}

/// Stores the setting of the default contract if it is new: the first one from the beginning, later ones from today.
pub(crate) async fn keep_default(
    db: &Db,
    terms: Terms,
    node: &str,
    today: NaiveDate,
) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    match keep_default_in_tx(&mut tx, db, terms, node, today).await {
        Ok(()) => tx.commit().await,
        Err(error) => {
            let _ = tx.rollback().await; // A lost connection rolls back by itself.
            Err(error)
        }
    }
}

async fn keep_default_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    terms: Terms,
    node: &str,
    today: NaiveDate,
) -> Result<(), sqlx::Error> {
    begin_change_in_tx(tx, db).await?;
    let newest = contracts::find_newest_in_tx(tx, db, DEFAULT_STREAMER).await?;
    if newest.as_ref().is_some_and(|newest| newest.terms == terms) {
        return Ok(());
    }
    let (version, valid_from) = match &newest {
        None => (-1, FIRST_DAY),
        Some(newest) => (newest.version - 1, today),
    };
    let created_by = format!("setting of {node}");
    let approved_by = APPROVED_BY_START.to_owned();
    let contract =
        Contract { streamer_id: DEFAULT_STREAMER, version, valid_from, terms, created_by, approved_by };
    contracts::insert_in_tx(tx, db, &[contract]).await
}
