//! What a server is, as far as it matters to us: its limits, its promises, its clock.

use sqlx::{PgPool, Row};
use std::time::{Duration, SystemTime};

/// A server's settings and clock, as of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// As in `170002` for 17.2.
    pub version_number: i32,
    pub max_connections: i64,
    /// Kept back for administrators.
    pub reserved_connections: i64,
    pub fsync: String,
    pub full_page_writes: String,
    pub synchronous_commit: String,
    /// Whether this is a standby.
    pub in_recovery: bool,
    /// How far the server's clock is from ours: the part of it that the round trip does not explain.
    pub clock_skew: Duration,
}

/// What a server that has no such setting counts it as.
const FACTS: &str = "
SELECT current_setting('server_version_num')::integer AS version_number,
       current_setting('max_connections')::bigint AS max_connections,
       coalesce(current_setting('superuser_reserved_connections', true)::bigint, 0)
           + coalesce(current_setting('reserved_connections', true)::bigint, 0) AS reserved_connections,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       pg_is_in_recovery() AS in_recovery,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us";

/// Asks a server what it is.
///
/// # Errors
/// Whatever the database says.
pub async fn server_facts(pool: &PgPool) -> Result<ServerFacts, sqlx::Error> {
    let before = SystemTime::now();
    let row = sqlx::query(FACTS).fetch_one(pool).await?;
    let after = SystemTime::now();
    let now = SystemTime::UNIX_EPOCH + Duration::from_micros(row.try_get::<i64, _>("now_us")?.unsigned_abs());
    Ok(ServerFacts {
        version_number: row.try_get("version_number")?,
        max_connections: row.try_get("max_connections")?,
        reserved_connections: row.try_get("reserved_connections")?,
        fsync: row.try_get("fsync")?,
        full_page_writes: row.try_get("full_page_writes")?,
        synchronous_commit: row.try_get("synchronous_commit")?,
        in_recovery: row.try_get("in_recovery")?,
        clock_skew: skew(before, now, after),
    })
}

/// How far `now` lies outside the round trip it was asked in.
fn skew(before: SystemTime, now: SystemTime, after: SystemTime) -> Duration {
    let early = before.duration_since(now).unwrap_or_default();
    let late = now.duration_since(after).unwrap_or_default();
    early.max(late)
}

/// More connections are wanted than the server has to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database takes {max} connections, keeps {reserved} for administrators, and {others} are left to others: \
     {who} may open {wanted} and there are {left}; lower [database] connections_max, read_connections_max or \
     others_connections (and what [connections] says of them), or raise max_connections in the server"
)]
pub struct TooFewConnections {
    pub max: i64,
    pub reserved: i64,
    pub others: u32,
    pub who: String,
    pub wanted: u32,
    pub left: i64,
}

impl ServerFacts {
    /// Whether `who` may open `wanted` connections beside those that others may use.
    ///
    /// # Errors
    /// [`TooFewConnections`], with what to change.
    pub fn check_budget(&self, who: &str, wanted: u32, others: u32) -> Result<(), TooFewConnections> {
        let (max, reserved) = (self.max_connections, self.reserved_connections);
        let left = max.saturating_sub(reserved).saturating_sub(i64::from(others)).max(0);
        if i64::from(wanted) <= left {
            return Ok(());
        }
        Err(TooFewConnections { max, reserved, others, who: who.to_owned(), wanted, left })
    }
}

#[cfg(test)]
mod tests {
    use super::{ServerFacts, skew};
    use std::time::{Duration, SystemTime};

    fn server(max_connections: i64) -> ServerFacts {
        ServerFacts {
            version_number: 170_002,
            max_connections,
            reserved_connections: 3,
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            in_recovery: false,
            clock_skew: Duration::ZERO,
        }
    }

    #[test]
    fn a_process_that_fits_starts_and_one_that_does_not_is_told_what_to_change() {
        assert_eq!(server(100).check_budget("we", 77, 20), Ok(()));
        let refused = server(100).check_budget("we", 78, 20).expect_err("one too many");
        assert_eq!(refused.left, 77);
        assert!(refused.to_string().contains("connections_max"), "{refused}");
        assert!(server(10).check_budget("we", 1, 20).is_err(), "others may use all there are");
    }

    #[test]
    fn a_clock_is_wrong_only_as_far_as_the_round_trip_does_not_explain() {
        let at = |s: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        assert_eq!(skew(at(10), at(11), at(12)), Duration::ZERO);
        assert_eq!(skew(at(10), at(17), at(12)), Duration::from_secs(5));
        assert_eq!(skew(at(10), at(4), at(12)), Duration::from_secs(6));
    }
}
