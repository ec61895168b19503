//! Invariant under test: installations that share a cache do not read each other's sets.

use crate::shop::{BOUND, Market, price, reaches};
use cache::Cache;
use contracts::lane::Lane;
use refresh::{Installation, PgLease, SetName};
use std::sync::Arc;

#[tokio::test]
async fn sets_of_one_name_in_two_installations_over_one_cache_do_not_mix() {
    let cache = Cache::in_process(&Lane::Live);
    let mut running = Vec::new();
    for coins in [111, 222] {
        let database = testkit::postgres().await.fresh_database().await;
        let db = database.db("shop", &Lane::Live, &[&refresh::MIGRATOR]).await;
        let installation = Installation::read(&db).await.expect("the database has one");
        assert_eq!(Installation::read(&db).await.expect("the same"), installation);
        let mut market = Market::on(cache.clone(), 3);
        market.set = SetName::try_new("shop").expect("a good name").of(&installation);
        market.source.change(|stock| {
            stock.prices.insert(1, coins);
        });
        let node = format!("node-{coins}");
        let producer = market.produce_by(Arc::new(PgLease::new(db, &node)), &node);
        let consumer = market.consume(&node).await;
        reaches(&consumer, 2).await;
        running.push((database, market, producer, consumer, coins));
    }
    for (_, market, producer, consumer, coins) in &running {
        assert_eq!(price(consumer, 1), Some(*coins));
        reaches(consumer, market.reprice(producer, 2, 2 * coins).await).await;
        assert_eq!((price(consumer, 1), price(consumer, 2)), (Some(*coins), Some(2 * coins)));
        let began = std::time::Instant::now();
        let nodes = loop {
            let roster = refresh::roster(&cache, &market.set).await.expect("it can be read");
            let nodes: Vec<String> = roster.unwrap_or_default().nodes.into_keys().collect();
            if !nodes.is_empty() {
                break nodes;
            }
            assert!(began.elapsed() < BOUND, "nobody is on the roster");
            tokio::time::sleep(market.consuming.look_every).await;
        };
        assert_eq!(nodes, [format!("node-{coins}")], "no node of the other installation is on it");
    }
}
