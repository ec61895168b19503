//! Asking for available money, taking the request back, and accounts that money goes to.

use crate::app::{Settlement, tell};
use crate::domain::earning::Payee;
use crate::domain::payee_money::{MoneyEvent, PayeeKey};
use crate::domain::payout::would_run;
use crate::error::PayoutError;
use crate::store::earnings;
use crate::store::payee_accounts::{self, PayeeAccount};
use crate::store::payees::{Payees, find_money};
use crate::store::payout_requests::{self, PayoutRequest, RequestState};
use chrono::Utc;
use contracts::payout::PayeeClass;
use ids::{PayeeAccountId, PayoutRequestId, Uuid};
use money::{MICROS_PER_MINOR, Micros, MoneyError};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

/// The most letters of an account's fields: those of ISO 20022.
const HOLDER_LEN_MAX: usize = 140;
const ACCOUNT_NO_LEN_MAX: usize = 34;
const BANK_CODE_LEN_MAX: usize = 35;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskPayout {
    /// Made by whoever asks: the same id again is the same request.
    pub request_id: PayoutRequestId,
    #[serde(default)]
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    /// Everything that is available, where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<i64>,
}

/// An account as it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveAccount {
    pub account_id: PayeeAccountId,
    #[serde(default)]
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub holder: String,
    pub account_no: String,
    /// BIC, or the clearing code of the country.
    pub bank_code: String,
}

/// Where a payee's money stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayeeView {
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    /// Earned and not released: of open days, of statements on hold, and what is under a minor unit.
    pub pending_micro: Micros,
    pub available_minor: i64,
    pub requested_minor: i64,
    pub in_flight_minor: i64,
    pub paid_minor: i64,
    pub withheld_minor: i64,
    /// What the payee owes; comes off what is released next.
    pub receivable_minor: i64,
}

/// Requests, or accounts, that one answer lists at most.
const PAGE_MAX: i64 = 200;

impl Settlement {
    /// Requests, newest first, before one of them.
    ///
    /// # Errors
    /// [`PayoutError`].
    pub(crate) async fn list_requests(
        &self,
        before: Option<PayoutRequestId>,
    ) -> Result<Vec<PayoutRequest>, PayoutError> {
        Ok(payout_requests::list_requests(&self.db, before, PAGE_MAX).await?)
    }

    /// Accounts that wait for another person, newest first, before one of them.
    ///
    /// # Errors
    /// [`PayoutError`].
    pub(crate) async fn list_waiting_accounts(
        &self,
        before: Option<PayeeAccountId>,
    ) -> Result<Vec<PayeeAccount>, PayoutError> {
        Ok(payee_accounts::list_waiting(&self.db, before, PAGE_MAX).await?)
    }

    /// Takes money out of what is available, once per request id.
    ///
    /// # Errors
    /// [`PayoutError`]; nothing moved then.
    pub(crate) async fn request_payout(
        &self,
        ask: &AskPayout,
        requested_by: &str,
    ) -> Result<PayoutRequest, PayoutError> {
        let mut tx = self.db.begin().await?;
        match self.request_in_tx(&mut tx, ask, requested_by).await {
            Ok(request) => {
                tx.commit().await?;
                Ok(request)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    async fn request_in_tx(
        &self,
        tx: &mut PgConnection,
        ask: &AskPayout,
        requested_by: &str,
    ) -> Result<PayoutRequest, PayoutError> {
        let key = PayeeKey { class: ask.payee, id: ask.payee_id };
        let mut payees = Payees::lock_in_tx(tx, &self.db, &[key]).await?;
        // First of all: a request that was made is the same again, whatever has happened since.
        if let Some(made) = payout_requests::find_request_in_tx(tx, &self.db, ask.request_id).await? {
            let is_same =
                made.key() == key && ask.amount_minor.is_none_or(|amount| amount == made.amount_minor);
            return if is_same { Ok(made) } else { Err(PayoutError::RequestReused) };
        }
        if !payee_accounts::in_force_in_tx(tx, &self.db, &[key]).await?.contains_key(&key) {
            return Err(PayoutError::AccountMissing);
        }
        let available_minor = payees.money(key).available;
        let amount_minor = ask.amount_minor.unwrap_or(available_minor);
        let minimum_minor = self.payouts.minimum_minor.max(1);
        if amount_minor < minimum_minor {
            return Err(PayoutError::BelowMinimum { minimum_minor, available_minor });
        }
        payees.apply(key, MoneyEvent::Request { amount_minor }, &ask.request_id.to_string())?;
        payees.store_in_tx(tx, &self.db).await?;
        let (request_id, state) = (ask.request_id, RequestState::Open);
        let (payee, payee_id) = (ask.payee, ask.payee_id);
        let request = PayoutRequest { request_id, payee, payee_id, amount_minor, state, batch_id: None };
        match payout_requests::insert_in_tx(tx, &self.db, &request, requested_by).await {
            Ok(()) => Ok(request),
            // Another payee's request of this id came at the same instant.
            Err(error) if pg::is_constraint(&error) => Err(PayoutError::RequestReused),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an open request back. Again, it changes nothing.
    ///
    /// # Errors
    /// [`PayoutError::InBatch`]; [`PayoutError::NotFound`].
    pub(crate) async fn cancel_request(
        &self,
        request_id: PayoutRequestId,
    ) -> Result<PayoutRequest, PayoutError> {
        let mut tx = self.db.begin().await?;
        match self.cancel_in_tx(&mut tx, request_id).await {
            Ok(request) => {
                tx.commit().await?;
                Ok(request)
            }
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                Err(error)
            }
        }
    }

    async fn cancel_in_tx(
        &self,
        tx: &mut PgConnection,
        request_id: PayoutRequestId,
    ) -> Result<PayoutRequest, PayoutError> {
        let found = payout_requests::find_request_in_tx(tx, &self.db, request_id).await?;
        let request = found.ok_or(PayoutError::NotFound("request"))?;
        let mut payees = Payees::lock_in_tx(tx, &self.db, &[request.key()]).await?;
        if payout_requests::cancel_in_tx(tx, &self.db, request_id).await? {
            let event = MoneyEvent::Cancel { amount_minor: request.amount_minor };
            payees.apply(request.key(), event, &request_id.to_string())?;
            payees.store_in_tx(tx, &self.db).await?;
        }
        let found = payout_requests::find_request_in_tx(tx, &self.db, request_id).await?;
        match found {
            Some(request) if request.state == RequestState::Cancelled => Ok(request),
            Some(_) => Err(PayoutError::InBatch),
            None => Err(PayoutError::NotFound("request")),
        }
    }

    /// Where a payee's money stands. Read without a lock: what is pending may be as of a little later.
    ///
    /// # Errors
    /// [`PayoutError`].
    pub(crate) async fn payee(&self, key: PayeeKey) -> Result<PayeeView, PayoutError> {
        let money = find_money(&self.db, key).await?;
        let earned = earnings::net_of(&self.db, Payee::of(key.class, key.id)).await?;
        let released = money.released.checked_mul(MICROS_PER_MINOR).ok_or(MoneyError::Overflow)?;
        Ok(PayeeView {
            payee: key.class,
            payee_id: key.id,
            pending_micro: earned.checked_sub(Micros::new(released))?,
            available_minor: money.available,
            requested_minor: money.requested,
            in_flight_minor: money.in_flight,
            paid_minor: money.paid,
            withheld_minor: money.withheld,
            receivable_minor: money.receivable,
        })
    }

    /// Stores an account that another person is to approve, once per id.
    ///
    /// # Errors
    /// [`PayoutError::BadAccount`]; [`PayoutError::RequestReused`].
    pub(crate) async fn give_account(
        &self,
        ask: GiveAccount,
        created_by: String,
    ) -> Result<PayeeAccount, PayoutError> {
        let fields = [
            (&ask.holder, HOLDER_LEN_MAX),
            (&ask.account_no, ACCOUNT_NO_LEN_MAX),
            (&ask.bank_code, BANK_CODE_LEN_MAX),
        ];
        let is_bad = |(text, len_max): (&String, usize)| {
            text.trim().is_empty() || text.chars().count() > len_max || would_run(text)
        };
        if fields.into_iter().any(is_bad) {
            return Err(PayoutError::BadAccount);
        }
        let GiveAccount { account_id, payee, payee_id, holder, account_no, bank_code } = ask;
        let account = PayeeAccount {
            account_id,
            payee,
            payee_id,
            holder,
            account_no,
            bank_code,
            created_by,
            approved_by: None,
        };
        let mut tx = self.db.begin().await?;
        match self.keep_account_in_tx(&mut tx, &account).await {
            Ok(()) => tx.commit().await?,
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(error);
            }
        }
        let stored = payee_accounts::find_account(&self.db, account_id).await?;
        let stored = stored.ok_or(PayoutError::NotFound("account"))?;
        let is_same = PayeeAccount { created_by: String::new(), approved_by: None, ..stored.clone() }
            == PayeeAccount { created_by: String::new(), ..account };
        if is_same { Ok(stored) } else { Err(PayoutError::RequestReused) }
    }

    async fn keep_account_in_tx(
        &self,
        tx: &mut PgConnection,
        account: &PayeeAccount,
    ) -> Result<(), PayoutError> {
        if payee_accounts::insert_in_tx(tx, &self.db, account).await? {
            trail::append_in_tx(tx, &self.db, vec![tell::account_given(account)], Utc::now()).await?;
        }
        Ok(())
    }

    async fn approve_account_in_tx(
        &self,
        tx: &mut PgConnection,
        account_id: PayeeAccountId,
        approved_by: &str,
    ) -> Result<(), PayoutError> {
        if payee_accounts::approve_in_tx(tx, &self.db, account_id, approved_by).await? {
            let told = tell::account_approved(account_id, approved_by);
            trail::append_in_tx(tx, &self.db, vec![told], Utc::now()).await?;
        }
        Ok(())
    }

    /// Puts an account in force. Again, it changes nothing.
    ///
    /// # Errors
    /// [`PayoutError::OwnWork`]; [`PayoutError::NotFound`].
    pub(crate) async fn approve_account(
        &self,
        account_id: PayeeAccountId,
        approved_by: &str,
    ) -> Result<PayeeAccount, PayoutError> {
        let mut tx = self.db.begin().await?;
        match self.approve_account_in_tx(&mut tx, account_id, approved_by).await {
            Ok(()) => tx.commit().await?,
            Err(error) => {
                let _ = tx.rollback().await; // A lost connection rolls back by itself.
                return Err(error);
            }
        }
        let account = payee_accounts::find_account(&self.db, account_id).await?;
        let account = account.ok_or(PayoutError::NotFound("account"))?;
        if account.approved_by.is_none() { Err(PayoutError::OwnWork) } else { Ok(account) }
    }
}
