//! Measures the wallet in process: `debits URL IN_FLIGHT SECONDS [SNAPSHOT_ROWS]`. The database is migrated and kept.

use contracts::lane::Lane;
use pg::{Db, PoolSettings};
use wallet::Config;
use wallet::bench::{self, Load};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("a database URL is needed")?;
    let in_flight = arguments.next().unwrap_or_else(|| "256".to_owned()).parse()?;
    let seconds = arguments.next().unwrap_or_else(|| "5".to_owned()).parse()?;
    let db = Db::new(pg::connect(&url, PoolSettings::default()).await?, "wallet", &Lane::Live);
    pg::migrate(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await?;
    let mut config = Config::defaults()?;
    if let Some(rows) = arguments.next() {
        config.snapshot_rows = rows.parse()?;
        config.replay_rows_max = config.replay_rows_max.max(config.snapshot_rows * 4);
    }
    let load = Load { in_flight, accounts: 20_000, streamers: 80, seconds };
    let report = bench::run_with(db, config, load).await?;
    println!(
        "{in_flight} in flight: {} debits/s, p50 {:?}, p99 {:?}",
        report.per_second, report.p50, report.p99
    );
    Ok(())
}
