//! The table `contracts`.

use crate::domain::contract::{Agreed, Contract, Promo, Terms};
use crate::store::unknown_code;
use ids::{AgencyId, StreamerId, Uuid};
use money::Ppm;
use pg::Db;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

const AGREED: &str = "
SELECT streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm, tax_ppm, promo
FROM {s}.contracts";

const NEWEST: &str = "
SELECT * FROM {s}.contracts WHERE streamer_id = $1 ORDER BY abs(version) DESC LIMIT 1";

const PAGE: &str = "
SELECT * FROM {s}.contracts WHERE ($1::uuid IS NULL OR streamer_id = $1) AND ($2::uuid IS NULL OR streamer_id > $2)
ORDER BY streamer_id, abs(version) LIMIT $3";

const INSERT: &str = "
INSERT INTO {s}.contracts (streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm,
    tax_ppm, promo, created_by, approved_by)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::date[], $4::uuid[], $5::integer[], $6::integer[], $7::integer[],
    $8::integer[], $9::smallint[], $10::text[], $11::text[])";

const OF_STREAMERS: &str = "SELECT * FROM {s}.contracts WHERE streamer_id = ANY($1)";

const EXPORT: &str = "
SELECT * FROM {s}.contracts
WHERE version > 0 AND ($1::uuid IS NULL OR streamer_id = $1) AND (streamer_id, version) > ($2, $3)
ORDER BY streamer_id, version LIMIT $4";

/// What every version of every contract says.
pub(crate) async fn list_agreed_in_tx(tx: &mut PgConnection, db: &Db) -> Result<Vec<Agreed>, sqlx::Error> {
    let rows = sqlx::query(db.sql(AGREED)).fetch_all(tx).await?;
    let agreed = |row: &PgRow| {
        Ok(Agreed {
            streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
            version: row.try_get("version")?,
            valid_from: row.try_get("valid_from")?,
            terms: terms_of_row(row)?,
        })
    };
    rows.iter().map(agreed).collect()
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

/// Every version of some streamers' own contracts.
pub(crate) async fn list_of_streamers_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    streamers: &[Uuid],
) -> Result<Vec<Contract>, sqlx::Error> {
    let rows = sqlx::query(db.sql(OF_STREAMERS)).bind(streamers).fetch_all(tx).await?;
    rows.iter().map(contract_of_row).collect()
}

/// Streamers' own versions in the order of their keys, after one of them.
pub(crate) async fn list_to_export(
    db: &Db,
    streamer: Option<StreamerId>,
    after: (StreamerId, i32),
    limit: i64,
) -> Result<Vec<Contract>, sqlx::Error> {
    let rows = sqlx::query(db.sql(EXPORT))
        .bind(streamer.map(StreamerId::uuid))
        .bind(after.0.uuid())
        .bind(after.1)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
    rows.iter().map(contract_of_row).collect()
}

/// A share as its column holds it.
pub(crate) fn ppm_column(share: Ppm) -> i32 {
    i32::try_from(share.get()).unwrap_or(i32::MAX) // A share is at most a million.
}

/// Stores new versions.
pub(crate) async fn insert_in_tx(
    tx: &mut PgConnection,
    db: &Db,
    contracts: &[Contract],
) -> Result<(), sqlx::Error> {
    fn column<T>(contracts: &[Contract], of: impl Fn(&Contract) -> T) -> Vec<T> {
        contracts.iter().map(of).collect()
    }
    sqlx::query(db.sql(INSERT))
        .bind(column(contracts, |contract| contract.streamer_id.uuid()))
        .bind(column(contracts, |contract| contract.version))
        .bind(column(contracts, |contract| contract.valid_from))
        .bind(column(contracts, |contract| contract.terms.agency_id.map(AgencyId::uuid)))
        .bind(column(contracts, |contract| ppm_column(contract.terms.streamer_ppm)))
        .bind(column(contracts, |contract| ppm_column(contract.terms.agency_ppm)))
        .bind(column(contracts, |contract| ppm_column(contract.terms.platform_ppm)))
        .bind(column(contracts, |contract| ppm_column(contract.terms.tax_ppm)))
        .bind(column(contracts, |contract| contract.terms.promo.code()))
        .bind(column(contracts, |contract| contract.created_by.clone()))
        .bind(column(contracts, |contract| contract.approved_by.clone()))
        .execute(tx)
        .await?;
    Ok(())
}

fn contract_of_row(row: &PgRow) -> Result<Contract, sqlx::Error> {
    Ok(Contract {
        streamer_id: StreamerId::from_uuid(row.try_get("streamer_id")?),
        version: row.try_get("version")?,
        valid_from: row.try_get("valid_from")?,
        terms: terms_of_row(row)?,
        created_by: row.try_get("created_by")?,
        approved_by: row.try_get("approved_by")?,
    })
}

/// The terms of a row of contracts or of drafts.
pub(crate) fn terms_of_row(row: &PgRow) -> Result<Terms, sqlx::Error> {
    let share = |column: &'static str| {
        let ppm: i32 = row.try_get(column)?;
        let share = u32::try_from(ppm).ok().and_then(|ppm| Ppm::try_new(ppm).ok());
        share.ok_or_else(|| unknown_code(column, ppm))
    };
    let promo: i16 = row.try_get("promo")?;
    Ok(Terms {
        agency_id: row.try_get::<Option<Uuid>, _>("agency_id")?.map(AgencyId::from_uuid),
        streamer_ppm: share("streamer_ppm")?,
        agency_ppm: share("agency_ppm")?,
        platform_ppm: share("platform_ppm")?,
        tax_ppm: share("tax_ppm")?,
        promo: Promo::of_code(promo).ok_or_else(|| unknown_code("promo", promo))?,
    })
}
