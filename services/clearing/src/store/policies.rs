//! Every policy ever in force: a new version when the files changed, nothing otherwise.

use crate::domain::policy::Policy;
use pg::Db;
use sqlx::PgConnection;

const LOCK: &str = "LOCK TABLE {s}.policies IN SHARE ROW EXCLUSIVE MODE";

const ADD: &str = "
INSERT INTO {s}.policies (version, policy)
SELECT coalesce(max(version), 0) + 1, $1 FROM {s}.policies
HAVING coalesce((SELECT policy FROM {s}.policies ORDER BY version DESC LIMIT 1) <> $1, true)
RETURNING version";

/// Stores the policy as the newest version unless it already is.
///
/// # Errors
/// Whatever the database says; nothing is stored then.
pub async fn save(db: &Db, policy: &Policy) -> Result<(), sqlx::Error> {
    let json = serde_json::to_value(policy).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let mut tx = db.begin().await?;
    sqlx::query(db.sql(LOCK)).execute(&mut *tx).await?;
    let version: Option<i32> = sqlx::query_scalar(db.sql(ADD)).bind(json).fetch_optional(&mut *tx).await?;
    if let Some(version) = version {
        save_tables_in_tx(&mut tx, db, policy, version).await?;
    }
    tx.commit().await
}

const ADD_ACCOUNTS: &str = "
INSERT INTO {s}.accounts (version, code, name, side)
SELECT $1, a.code, a.name, a.side FROM unnest($2::text[], $3::text[], $4::smallint[]) AS a (code, name, side)";

const ADD_RULE_LINES: &str = "
INSERT INTO {s}.rules (version, rule, source, kinds, component, debit, credit)
SELECT $1, $2, $3, $4, l.component, l.debit, l.credit
FROM unnest($5::text[], $6::text[], $7::text[]) AS l (component, debit, credit)";

const ADD_FACE_VALUES: &str = "
INSERT INTO {s}.face_values (version, from_day, micros_per_coin)
SELECT $1, f.from_day, f.micros FROM unnest($2::date[], $3::bigint[]) AS f (from_day, micros)";

async fn save_tables_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    policy: &Policy,
    version: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(ADD_ACCOUNTS))
        .bind(version)
        .bind(policy.accounts.iter().map(|account| account.code.as_str()).collect::<Vec<_>>())
        .bind(policy.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>())
        .bind(policy.accounts.iter().map(|account| account.side.code()).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    for rule in policy.rules.rules() {
        sqlx::query(db.sql(ADD_RULE_LINES))
            .bind(version)
            .bind(&rule.name)
            .bind(rule.source.as_str())
            .bind(&rule.kinds)
            .bind(rule.lines.iter().map(|line| line.component.as_str()).collect::<Vec<_>>())
            .bind(rule.lines.iter().map(|line| line.debit.as_str()).collect::<Vec<_>>())
            .bind(rule.lines.iter().map(|line| line.credit.as_str()).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
    }
    let face_values = policy.face_values.rows();
    sqlx::query(db.sql(ADD_FACE_VALUES))
        .bind(version)
        .bind(face_values.iter().map(|row| row.from_day).collect::<Vec<_>>())
        .bind(face_values.iter().map(|row| row.micros_per_coin.get()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
