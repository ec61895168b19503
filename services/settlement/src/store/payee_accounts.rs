//! The table `payee_accounts`: where payees' money goes.

use crate::domain::payee_money::PayeeKey;
use crate::store::payouts::class_of_row;
use contracts::payout::PayeeClass;
use ids::{PayeeAccountId, Uuid};
use pg::Db;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One account, as somebody gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayeeAccount {
    pub account_id: PayeeAccountId,
    pub payee: PayeeClass,
    pub payee_id: Uuid,
    pub holder: String,
    pub account_no: String,
    pub bank_code: String,
    pub created_by: String,
    /// Missing until another person has approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
}

const INSERT: &str = "
INSERT INTO {s}.payee_accounts (account_id, payee_kind, payee_id, holder, account_no, bank_code, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id) DO NOTHING";

const FIND: &str = "SELECT * FROM {s}.payee_accounts WHERE account_id = $1";

const WAITING: &str = "
SELECT * FROM {s}.payee_accounts WHERE approved_by IS NULL AND ($1::uuid IS NULL OR account_id < $1)
ORDER BY account_id DESC LIMIT $2";

const APPROVE: &str = "
UPDATE {s}.payee_accounts SET approved_by = $2, approved_at = clock_timestamp()
WHERE account_id = $1 AND approved_by IS NULL AND created_by <> $2";

const IN_FORCE: &str = "
SELECT DISTINCT ON (a.payee_kind, a.payee_id) a.* FROM {s}.payee_accounts a
JOIN unnest($1::smallint[], $2::uuid[]) AS k (kind, id) ON a.payee_kind = k.kind AND a.payee_id = k.id
WHERE a.approved_at IS NOT NULL
ORDER BY a.payee_kind, a.payee_id, a.approved_at DESC, a.account_id DESC";

/// Stores an account that waits for approval; one of this id stays as it is.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    account: &PayeeAccount,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(db.sql(INSERT))
        .bind(account.account_id.uuid())
        .bind(account.payee.code())
        .bind(account.payee_id)
        .bind(&account.holder)
        .bind(&account.account_no)
        .bind(&account.bank_code)
        .bind(&account.created_by)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// One account.
pub(crate) async fn find_account(
    db: &Db,
    account_id: PayeeAccountId,
) -> Result<Option<PayeeAccount>, sqlx::Error> {
    let row = sqlx::query(db.sql(FIND)).bind(account_id.uuid()).fetch_optional(db.pool()).await?;
    row.as_ref().map(account_of_row).transpose()
}

/// Accounts that wait for another person, newest first, before one of them.
pub(crate) async fn list_waiting(
    db: &Db,
    before: Option<PayeeAccountId>,
    limit: i64,
) -> Result<Vec<PayeeAccount>, sqlx::Error> {
    let before = before.map(PayeeAccountId::uuid);
    let rows = sqlx::query(db.sql(WAITING)).bind(before).bind(limit).fetch_all(db.pool()).await?;
    rows.iter().map(account_of_row).collect()
}

/// Approves an account that another person gave; says whether it did.
pub(crate) async fn approve_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    account_id: PayeeAccountId,
    approved_by: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(db.sql(APPROVE)).bind(account_id.uuid()).bind(approved_by);
    Ok(done.execute(tx).await?.rows_affected() == 1)
}

/// The account in force of each payee that has one.
pub(crate) async fn in_force_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    keys: &[PayeeKey],
) -> Result<BTreeMap<PayeeKey, PayeeAccount>, sqlx::Error> {
    let rows = sqlx::query(db.sql(IN_FORCE))
        .bind(keys.iter().map(|key| key.class.code()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.id).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            let account = account_of_row(row)?;
            Ok((PayeeKey { class: account.payee, id: account.payee_id }, account))
        })
        .collect()
}

fn account_of_row(row: &PgRow) -> Result<PayeeAccount, sqlx::Error> {
    Ok(PayeeAccount {
        account_id: PayeeAccountId::from_uuid(row.try_get("account_id")?),
        payee: class_of_row(row)?,
        payee_id: row.try_get("payee_id")?,
        holder: row.try_get("holder")?,
        account_no: row.try_get("account_no")?,
        bank_code: row.try_get("bank_code")?,
        created_by: row.try_get("created_by")?,
        approved_by: row.try_get("approved_by")?,
    })
}
