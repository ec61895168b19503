//! A new version of a contract, from today on at the earliest. What was settled keeps its version.

use crate::app::Settlement;
use crate::domain::contract::{Contract, DEFAULT_STREAMER, Promo, Terms};
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

/// The default contract's first day: before every day of the product.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day of the calendar");

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
    fn terms(&self) -> Terms {
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
    /// Stores a new version, which begins after every other of its streamer.
    ///
    /// # Errors
    /// [`ContractError`].
    pub(crate) async fn make_contract(
        &self,
        ask: MakeContract,
        created_by: String,
        today: NaiveDate,
    ) -> Result<Contract, ContractError> {
        ask.terms().check()?;
        if ask.streamer_id == DEFAULT_STREAMER {
            return Err(ContractError::DefaultIsASetting);
        }
        if ask.valid_from < today {
            return Err(ContractError::BeginsInThePast { today });
        }
        let mut tx = self.db.begin().await?;
        match make_in_tx(&mut tx, &self.db, ask, created_by).await {
            Ok(contract) => {
                tx.commit().await?;
                Ok(contract)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

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
}

async fn make_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    ask: MakeContract,
    created_by: String,
) -> Result<Contract, ContractError> {
    begin_change_in_tx(tx, db).await?; // From here on no other change, and no batch, is under way.
    let newest = contracts::find_newest_in_tx(tx, db, ask.streamer_id).await?;
    if let Some(newest) = &newest
        && ask.valid_from <= newest.valid_from
    {
        let (version, valid_from) = (newest.version, newest.valid_from);
        return Err(ContractError::Overlaps { version, valid_from });
    }
    let contract = Contract {
        streamer_id: ask.streamer_id,
        version: newest.map_or(1, |newest| newest.version + 1),
        valid_from: ask.valid_from,
        terms: ask.terms(),
        created_by,
    };
    contracts::insert_in_tx(tx, db, &contract).await?;
    Ok(contract)
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
    let contract = Contract { streamer_id: DEFAULT_STREAMER, version, valid_from, terms, created_by };
    contracts::insert_in_tx(tx, db, &contract).await
}
