//! The table `contracts`.

use crate::domain::contract::{Contract, Promo, Terms};
use crate::store::unknown_code;
use ids::{AgencyId, StreamerId, Uuid};
use money::Ppm;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

const ALL: &str = "SELECT * FROM {s}.contracts";

const NEWEST: &str = "
SELECT * FROM {s}.contracts WHERE streamer_id = $1 ORDER BY abs(version) DESC LIMIT 1";

const PAGE: &str = "
SELECT * FROM {s}.contracts WHERE ($1::uuid IS NULL OR streamer_id = $1) AND ($2::uuid IS NULL OR streamer_id > $2)
ORDER BY streamer_id, abs(version) LIMIT $3";

const INSERT: &str = "
INSERT INTO {s}.contracts (streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm,
    tax_ppm, promo, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Every version of every contract.
pub(crate) async fn list_all_in_tx(tx: &mut PgConnection, db: &Db) -> Result<Vec<Contract>, sqlx::Error> {
    let rows = sqlx::query(db.sql(ALL)).fetch_all(tx).await?;
    rows.iter().map(contract_of_row).collect()
}

/// The newest version of one contract.
pub(crate) async fn find_newest_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    owner: StreamerId,
) -> Result<Option<Contract>, sqlx::Error> {
    let row = sqlx::query(db.sql(NEWEST)).bind(owner.uuid()).fetch_optional(tx).await?;
    row.as_ref().map(contract_of_row).transpose()
}

/// Versions of one streamer, or of those after another, oldest first.
pub(crate) async fn list_contracts(
    db: &Db,
    streamer: Option<StreamerId>,
    after: Option<StreamerId>,
    limit: i64,
) -> Result<Vec<Contract>, sqlx::Error> {
    let rows = sqlx::query(db.sql(PAGE))
        .bind(streamer.map(StreamerId::uuid))
        .bind(after.map(StreamerId::uuid))
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(contract_of_row).collect()
}

/// Stores a new version.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    contract: &Contract,
) -> Result<(), sqlx::Error> {
    let column = |share: Ppm| i32::try_from(share.get()).unwrap_or(i32::MAX); // A share is at most a million.
    sqlx::query(db.sql(INSERT))
        .bind(contract.streamer_id.uuid())
        .bind(contract.version)
        .bind(contract.valid_from)
        .bind(contract.terms.agency_id.map(AgencyId::uuid))
        .bind(column(contract.terms.streamer_ppm))
        .bind(column(contract.terms.agency_ppm))
        .bind(column(contract.terms.platform_ppm))
        .bind(column(contract.terms.tax_ppm))
        .bind(contract.terms.promo.code())
        .bind(&contract.created_by)
        .execute(tx)
        .await?;
    Ok(())
}

fn contract_of_row(row: &PgRow) -> Result<Contract, sqlx::Error> {
    let share = |column: &'static str| {
        let ppm: i32 = row.try_get(column)?;
        let share = u32::try_from(ppm).ok().and_then(|ppm| Ppm::try_new(ppm).ok());
        share.ok_or_else(|| unknown_code(column, ppm))
    };
    let promo: i16 = row.try_get("promo")?;
    Ok(Contract {
        streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
        version: row.try_get("version")?,
        valid_from: row.try_get("valid_from")?,
        terms: Terms {
            agency_id: row.try_get::<Option<Uuid>, _>("agency_id")?.map(AgencyId::from_uuid),
            streamer_ppm: share("streamer_ppm")?,
            agency_ppm: share("agency_ppm")?,
            platform_ppm: share("platform_ppm")?,
            tax_ppm: share("tax_ppm")?,
            promo: Promo::of_code(promo).ok_or_else(|| unknown_code("promo", promo))?,
        },
        created_by: row.try_get("created_by")?,
    })
}
