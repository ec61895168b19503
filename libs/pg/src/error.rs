//! What can go wrong with the database before any SQL of a service runs.

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    #[error("the database at {place} could not be opened")]
    Open { place: String, source: sqlx::Error },
    #[error("the embedded database in {place} could not be started: {reason}")]
    Embedded { place: String, reason: String },
    #[error("the schema {schema} could not be migrated")]
    Migrate { schema: String, source: sqlx::migrate::MigrateError },
    #[error("the schema {schema} could not be prepared")]
    Schema { schema: String, source: sqlx::Error },
    #[error("the schema {schema} lacks migration {version}: run `largesse migrate` first")]
    Behind { schema: String, version: i64 },
    #[error(
        "migration {version} of the schema {schema} is another one than this program's: use the version that wrote it"
    )]
    Differs { schema: String, version: i64 },
    #[error("{0} is not a database URL (postgres://user@host/name)")]
    BadUrl(String),
}

/// Whether an error means that the connection is gone, so that what was in flight is unknown.
pub fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            // 57P01..57P03: terminated by an administrator, crash, or a server that is starting up.
            // 08xxx: connection exceptions.
            database.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Whether an error means that nothing of the transaction happened: the server said so, or was never asked. False
/// for a connection that broke on the way.
pub fn is_certain(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_) | sqlx::Error::Encode(_)) && !is_connection_lost(error)
}

/// Whether an error is a constraint that said no (class 23), or a value that does not fit (class 22): the
/// same rows will fail again.
pub fn is_constraint(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database)
        if database.code().is_some_and(|code| code.starts_with("23") || code.starts_with("22")))
}
