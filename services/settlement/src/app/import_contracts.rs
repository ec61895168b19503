//! Contracts come in files, all or none of a file, and are in force once another person has approved them.

use crate::app::make_contract::MakeContract;
use crate::app::tell::Approved;
use crate::app::{Settlement, tell};
use crate::domain::contract::Contract;
use crate::domain::contract_file::{ContractLine, read_contracts};
use crate::domain::contract_plan::plan_import;
use crate::error::ContractError;
use crate::store::book::begin_change_in_tx;
use crate::store::contract_imports::{self, ContractImport, ImportState};
use crate::store::contracts;
use chrono::{NaiveDate, Utc};
use ids::{ContractImportId, StreamerId, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most contracts one file has.
pub const IMPORT_LINES_MAX: usize = 10_000;

/// The most imports one list answers.
pub const IMPORTS_PAGE_MAX: u16 = 200;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// What to approve; missing where the file brought nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_id: Option<ContractImportId>,
    /// Contracts that wait for approval now.
    pub new: usize,
    /// Contracts that are there, or wait, exactly like this.
    pub unchanged: usize,
}

/// How an import is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Approve,
    Refuse,
}

impl Settlement {
    /// Reads a file of contracts; all of it waits for approval, or nothing of it.
    ///
    /// # Errors
    /// [`ContractError::BadFile`] names line and field of everything that is wrong; [`ContractError::Unavailable`].
    pub(crate) async fn import_contracts(
        &self,
        text: &str,
        created_by: &str,
        today: NaiveDate,
    ) -> Result<Imported, ContractError> {
        self.import_lines(read_contracts(text, IMPORT_LINES_MAX)?, created_by, today).await
    }

    /// The same for a single contract.
    ///
    /// # Errors
    /// As [`Settlement::import_contracts`], and [`ContractError::Terms`].
    pub(crate) async fn import_contract(
        &self,
        ask: &MakeContract,
        created_by: &str,
        today: NaiveDate,
    ) -> Result<Imported, ContractError> {
        let terms = ask.terms();
        terms.check()?;
        let (streamer_id, valid_from) = (ask.streamer_id, ask.valid_from);
        self.import_lines(vec![ContractLine { line: 1, streamer_id, valid_from, terms }], created_by, today)
            .await
    }

    async fn import_lines(
        &self,
        lines: Vec<ContractLine>,
        created_by: &str,
        today: NaiveDate,
    ) -> Result<Imported, ContractError> {
        let mut tx = self.db.begin().await?;
        let imported = async {
            let streamers: Vec<Uuid> = lines.iter().map(|line| line.streamer_id.uuid()).collect();
            let versions = contracts::list_of_streamers_in_tx(&mut tx, &self.db, &streamers).await?;
            let waiting = contract_imports::list_waiting_in_tx(&mut tx, &self.db, &streamers).await?;
            let plan = plan_import(lines, &versions, &waiting, today)?;
            let (new, unchanged) = (plan.new.len(), plan.unchanged);
            if new == 0 {
                return Ok(Imported { import_id: None, new, unchanged });
            }
            let import_id = ContractImportId::now();
            contract_imports::insert_in_tx(&mut tx, &self.db, (import_id, created_by), &plan.new).await?;
            let told = tell::contracts_proposed(import_id, &plan.new, created_by);
            trail::append_in_tx(&mut tx, &self.db, vec![told], Utc::now()).await?;
            Ok::<_, ContractError>(Imported { import_id: Some(import_id), new, unchanged })
        };
        match imported.await {
            Ok(imported) => {
                tx.commit().await.map_err(ContractError::of_sql)?;
                Ok(imported)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    /// Puts an import in force, or refuses it. Deciding the same again changes nothing.
    ///
    /// # Errors
    /// [`ContractError`]: whoever made it cannot approve it, and what has begun meanwhile cannot be approved.
    pub(crate) async fn decide_import(
        &self,
        import_id: ContractImportId,
        decision: Decision,
        decided_by: &str,
        today: NaiveDate,
    ) -> Result<ContractImport, ContractError> {
        let mut tx = self.db.begin().await?;
        match decide_in_tx(&mut tx, &self.db, (import_id, decision), decided_by, today).await {
            Ok(()) => {
                tx.commit().await.map_err(ContractError::of_sql)?;
                self.contracts.changed().await;
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(error);
            }
        }
        contract_imports::find_import(&self.db, import_id).await?.ok_or(ContractError::NoSuchImport)
    }

    /// Imports in one state, or in any, newest first, before one of them.
    ///
    /// # Errors
    /// [`ContractError::Unavailable`].
    pub(crate) async fn list_imports(
        &self,
        state: Option<ImportState>,
        before: Option<ContractImportId>,
    ) -> Result<Vec<ContractImport>, ContractError> {
        Ok(contract_imports::list_imports(&self.db, state, before, i64::from(IMPORTS_PAGE_MAX)).await?)
    }
}

async fn decide_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    (import_id, decision): (ContractImportId, Decision),
    decided_by: &str,
    today: NaiveDate,
) -> Result<(), ContractError> {
    if decision == Decision::Approve {
        begin_change_in_tx(tx, db).await?; // From here on no other change, and no batch, is under way.
    }
    let import = contract_imports::lock_import_in_tx(tx, db, import_id).await?;
    let (created_by, state) = import.ok_or(ContractError::NoSuchImport)?;
    match (state, decision) {
        (ImportState::Approved, Decision::Approve) | (ImportState::Refused, Decision::Refuse) => {
            return Ok(());
        }
        (ImportState::Approved, Decision::Refuse) | (ImportState::Refused, Decision::Approve) => {
            return Err(ContractError::Decided);
        }
        (ImportState::Waiting, Decision::Refuse) => {
            let refused = (import_id, ImportState::Refused);
            contract_imports::decide_in_tx(tx, db, refused, decided_by).await?;
            let told = tell::contracts_decided(import_id, Approved::No, decided_by);
            trail::append_in_tx(tx, db, vec![told], Utc::now()).await?;
            return Ok(());
        }
        (ImportState::Waiting, Decision::Approve) => {}
    }
    if created_by == decided_by {
        return Err(ContractError::OwnImport);
    }
    let drafts = contract_imports::list_drafts_in_tx(tx, db, import_id).await?;
    let streamers: Vec<Uuid> = drafts.iter().map(|draft| draft.streamer_id.uuid()).collect();
    let versions = contracts::list_of_streamers_in_tx(tx, db, &streamers).await?;
    let plan = plan_import(drafts, &versions, &[], today)?;
    let new = number(plan.new, &versions, (&created_by, decided_by));
    contracts::insert_in_tx(tx, db, &new).await.map_err(ContractError::of_sql)?;
    contract_imports::decide_in_tx(tx, db, (import_id, ImportState::Approved), decided_by).await?;
    let told = tell::contracts_decided(import_id, Approved::Yes, decided_by);
    trail::append_in_tx(tx, db, vec![told], Utc::now()).await?;
    Ok(())
}

/// The next versions of each streamer's contract; drafts are in the order of streamer and day.
fn number(
    drafts: Vec<ContractLine>,
    versions: &[Contract],
    (created_by, approved_by): (&str, &str),
) -> Vec<Contract> {
    let mut newest: BTreeMap<StreamerId, i32> = BTreeMap::new();
    for version in versions {
        let of_streamer = newest.entry(version.streamer_id).or_default();
        *of_streamer = version.version.max(*of_streamer);
    }
    drafts
        .into_iter()
        .map(|draft| {
            let version = newest.entry(draft.streamer_id).or_default();
            *version += 1;
            Contract {
                streamer_id: draft.streamer_id,
                version: *version,
                valid_from: draft.valid_from,
                terms: draft.terms,
                created_by: created_by.to_owned(),
                approved_by: approved_by.to_owned(),
            }
        })
        .collect()
}
