//! What is written is read back by programs that are not ours, and equals what was to be written.

mod amounts;
mod book;
mod csv_tables;
mod listings;
mod parquet_tables;
mod payment_files;
mod plain_text;
mod programs;
mod statements;
mod workbooks;

/// Whether long runs are asked for.
fn is_long() -> bool {
    std::env::var_os("LARGESSE_TEST_LONG").is_some()
}
