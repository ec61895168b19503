//! What one coin is worth, by currency and day.

use chrono::NaiveDate;
use money::Micros;
use pg::Db;

const IN_FORCE: &str = "
SELECT micros_per_coin FROM {s}.face_values WHERE currency = $1 AND valid_from <= $2
ORDER BY valid_from DESC LIMIT 1";

/// The face value in force on a day.
pub(crate) async fn find_face_value(
    db: &Db,
    currency: &str,
    day: NaiveDate,
) -> Result<Option<Micros>, sqlx::Error> {
    let micros = sqlx::query_scalar::<_, i64>(db.sql(IN_FORCE))
        .bind(currency)
        .bind(day)
        .fetch_optional(db.pool())
        .await?;
    Ok(micros.map(Micros::new))
}
