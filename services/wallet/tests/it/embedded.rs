//! Invariant under test: the embedded database, with its one connection, is a smaller machine and not another
//! program: the same acts end, and the same books close.

use crate::bank::{coins, config, debit};
use bus::Bus;
use contracts::lane::Lane;
use contracts::log::AccountingZone;
use contracts::wallet::{Act, Command, Wallet};
use ids::{RequestId, ViewerId};
use pg::{Db, Embedded};
use wallet::{Deps, Running, system_clock};

async fn start(db: &Db) -> Running {
    let mut config = config();
    config.lane_count = 1;
    config.snapshot_rows = 100;
    wallet::start(Deps {
        db: db.clone(),
        bus: Bus::in_process(&Lane::Live),
        payments: None,
        config,
        zone: AccountingZone::default(),
        node: "embedded".to_owned(),
        clock: system_clock(),
    })
    .await
    .expect("the wallet starts")
}

#[tokio::test]
async fn one_connection_is_enough_for_batches_snapshots_and_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = Embedded::open(folder.path()).await.expect("it opens");
    let db = Db::new(embedded.pool(), "wallet", &Lane::Live);
    pg::migrate(&db, &[&seqlog::MIGRATOR, &wallet::MIGRATOR]).await.expect("it migrates");
    let running = start(&db).await;
    let accounts: Vec<ViewerId> = (0..100).map(|_| ViewerId::now()).collect();
    let recharge = || Act::Recharge { paid_coins: coins(50), promo_coins: coins(5) };
    for act in [recharge(), debit(7), debit(8)] {
        let command = |account_id: &ViewerId| {
            let body_hash = contracts::digest::body_hash(&act);
            Command { request_id: RequestId::now(), account_id: *account_id, body_hash, act: act.clone() }
        };
        for answer in running.handle().submit_all(accounts.iter().map(command).collect()).await {
            assert!(answer.expect("decided").entry.is_accepted());
        }
    }
    running.shutdown().await;
    let running = start(&db).await;
    for account_id in &accounts {
        let available = running.handle().account(*account_id).await.expect("ours").available;
        assert_eq!((available.paid_coins, available.promo_coins), (coins(40), coins(0)));
    }
    running.shutdown().await;
    let sums = "SELECT (sum(paid_delta_coins) + sum(promo_delta_coins))::bigint FROM {s}.entries";
    let sum: i64 = sqlx::query_scalar(db.sql(sums)).fetch_one(db.pool()).await.expect("a sum");
    assert_eq!(sum, 100 * (55 - 15));
    embedded.close().await;
}
