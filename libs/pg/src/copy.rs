//! Rows from one database into another, as the server itself writes them out: no type of a column is known here.

use futures::TryStreamExt;
use sqlx::PgConnection;

/// Copies what `select` gives into the columns of `table`, in their order; returns how many rows. Both texts are
/// ours, never a user's. What came before an error is in `to`'s transaction, which is to be rolled back.
///
/// # Errors
/// Whatever either database says.
pub async fn copy_rows(
    from: &mut PgConnection,
    select: &str,
    to: &mut PgConnection,
    table: &str,
) -> Result<u64, sqlx::Error> {
    let mut sink = to.copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT binary)")).await?;
    let mut rows = from.copy_out_raw(&format!("COPY ({select}) TO STDOUT (FORMAT binary)")).await?;
    while let Some(chunk) = rows.try_next().await? {
        sink.send(chunk).await?;
    }
    drop(rows);
    sink.finish().await
}
