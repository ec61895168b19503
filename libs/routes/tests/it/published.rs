//! Invariant under test: who follows the list finds who is there without a restart, at one read for each change; and
//! whatever is away, keeps what it knew and what is configured.

use crate::fleet::{BOUND, Fleet, Follower, seal, url};
use cache::Cache;
use contracts::lane::Lane;
use refresh::Origin;
use routes::Seal;
use std::time::Duration;
use testkit::{Fsync, Kind, Server};

fn loads(followers: &[Follower]) -> u64 {
    followers.iter().map(|follower| follower.routes.loads()).sum()
}

#[tokio::test]
async fn everybody_finds_who_comes_and_goes_at_one_read_for_each_change() {
    let fleet = Fleet::open().await;
    let first = fleet.list("wallet-1", 7001).await;
    fleet.until_listed(&[("wallet-1", 7001)]).await;
    let mut followers = Vec::new();
    for node in ["gift-1", "gift-2", "gift-3", "gift-4"] {
        followers.push(fleet.follower(node).await);
    }
    for follower in &followers {
        follower.until_asks(&[1, 7001]).await;
    }
    let (before, epoch) = (loads(&followers), fleet.epoch().await);
    let second = fleet.list("wallet-2", 7002).await;
    for follower in &followers {
        follower.until_asks(&[1, 7001, 7002]).await;
    }
    first.leave().await;
    for follower in &followers {
        follower.until_asks(&[1, 7002]).await;
    }
    // Whoever takes over from a publisher that stalled reads once more.
    let (read, takeovers) = (loads(&followers) - before, fleet.epoch().await - epoch);
    assert!(read <= 2 + takeovers, "{read} reads for two changes and four followers, {takeovers} takeovers");
    let view = followers[0].routes.view();
    let listed: Vec<_> =
        view.value.list().into_iter().map(|(service, node, route)| (service, node, &route.url)).collect();
    assert_eq!(listed, [("cashier", "wallet-2", &url(7002)), ("wallet", "wallet-2", &url(7002))]);
    drop(second);
}

#[tokio::test]
async fn while_redis_is_away_what_is_known_stays_and_who_comes_or_is_killed_is_noticed() {
    let server = Server::start(Kind::Redis, Fsync::Off).expect("a private Redis");
    let cache = Cache::connect(server.url(), &Lane::Live).await.expect("Redis");
    let fleet = Fleet::on(cache).await.expiring(Duration::from_secs(5));
    let follower = fleet.follower("gift-1").await;
    let first = fleet.list("wallet-1", 7001).await;
    follower.until_asks(&[1, 7001]).await;
    server.crash().expect("it is killed");
    let second = fleet.list("wallet-2", 7002).await;
    follower.until_asks(&[1, 7001, 7002]).await;
    assert_eq!(follower.routes.status().origin, Some(Origin::Source), "nobody could tell it but the table");
    drop(first);
    follower.until_asks(&[1, 7002]).await;
    drop(second);
    follower.until_asks(&[1]).await;
}

#[tokio::test]
async fn a_process_that_starts_alone_knows_from_its_disk_whom_it_knew() {
    let fleet = Fleet::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Some(folder.path().to_owned());
    let listing = fleet.list("wallet-1", 7001).await;
    let follower = fleet.follower_with("gift-1", fleet.cache.clone(), disk.clone()).await;
    follower.until_asks(&[1, 7001]).await;
    follower.routes.stop().await;
    drop(listing);
    // Nobody speaks in this cache, and the source is asked later.
    let again = fleet.follower_with("gift-1", Cache::in_process(&Lane::Live), disk).await;
    assert_eq!(again.routes.status().origin, Some(Origin::Disk));
    assert_eq!(again.routes.view().value.urls("wallet", &seal()).0, [url(7001)]);
    again.until_asks(&[1, 7001]).await;
}

#[tokio::test]
async fn a_publisher_that_ends_is_replaced_and_nodes_are_found_on() {
    let fleet = Fleet::open().await;
    let first = fleet.follower("gift-1").await;
    let listing = fleet.list("wallet-1", 7001).await;
    first.until_asks(&[1, 7001]).await;
    let second = fleet.follower("gift-2").await;
    second.until_asks(&[1, 7001]).await;
    first.routes.stop().await;
    listing.leave().await;
    second.until_asks(&[1]).await;
    second.routes.wait_for_any(BOUND).await.expect("it has a version");
    assert!(second.routes.loads() > 0, "it reads the list now");
}

#[tokio::test]
async fn an_address_that_nobody_of_ours_has_written_is_not_asked() {
    let fleet = Fleet::open().await;
    let follower = fleet.follower("gift-1").await;
    let stranger = Seal::new(b"a key that somebody else has made up for himself").expect("a key");
    let _odd = fleet.list_sealed("wallet-1", 7001, stranger).await;
    fleet.until_listed(&[("wallet-1", 7001)]).await;
    let _ours = fleet.list("wallet-2", 7002).await;
    follower.until_asks(&[1, 7002]).await;
    let moved = fleet.db.sql("UPDATE {s}.nodes SET url = 'http://127.0.0.1:7003' WHERE node = 'wallet-2'");
    sqlx::query(moved).execute(fleet.db.pool()).await.expect("moved");
    let changed = fleet.db.sql("UPDATE {s}.versions SET version = version + 100000");
    sqlx::query(changed).execute(fleet.db.pool()).await.expect("changed");
    follower.until_asks(&[1]).await;
}
