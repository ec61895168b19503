//! What a room shows: its feed at each gift node, and its ranks, which are asked of a node and compared with the table.

use serde::Deserialize;
use sqlx::PgConnection;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long the first gifts that are charged may take to have orders.
const ORDERED_WITHIN: Duration = Duration::from_secs(30);

/// The room with the most gifts so far; waits for the first.
pub async fn busiest_room(connection: &mut PgConnection) -> String {
    let sql = "SELECT room_id::text FROM gift.orders GROUP BY room_id ORDER BY count(*) DESC LIMIT 1";
    let began = Instant::now();
    loop {
        let found = sqlx::query_scalar(sql).fetch_optional(&mut *connection).await.expect("the orders");
        if let Some(room) = found {
            return room;
        }
        assert!(began.elapsed() < ORDERED_WITHIN, "no gift has an order");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A room's feed at one node, read for as long as this lives.
pub struct RoomFeed {
    came: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

impl RoomFeed {
    pub async fn open(url: &str, room: &str) -> RoomFeed {
        let mut answer = reqwest::get(format!("{url}/v1/rooms/{room}/events")).await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        let came: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let coming = Arc::clone(&came);
        let task = tokio::spawn(async move {
            while let Ok(Some(chunk)) = answer.chunk().await {
                let text = String::from_utf8_lossy(&chunk);
                // Each event has one such line; the first, which says hello, has an empty one.
                let events = text.matches("data:").count() - text.matches("data: {}").count();
                coming.lock().expect("nobody panicked").extend(vec![Instant::now(); events]);
            }
        });
        RoomFeed { came, task }
    }

    /// Waits for the first event after `since`; how long after it came.
    pub async fn next_after(&self, since: Instant, limit: Duration) -> Duration {
        loop {
            let found = self.came.lock().expect("nobody panicked").iter().find(|at| **at > since).copied();
            if let Some(at) = found {
                return at - since;
            }
            assert!(since.elapsed() < limit, "the room's feed stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for RoomFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A room's ranks as a node serves them.
#[derive(Debug, Deserialize)]
pub struct Ranks {
    #[serde(default)]
    pub gift_count: i64,
    pub ranks: Vec<Rank>,
}

#[derive(Debug, Deserialize)]
pub struct Rank {
    pub coins: i64,
}

impl Ranks {
    pub async fn of(url: &str, room: &str) -> Ranks {
        let answer = reqwest::get(format!("{url}/v1/rooms/{room}/ranks")).await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// As the table has them, with as many places as `like`.
    pub async fn in_table(connection: &mut PgConnection, room: &str, like: &Ranks) -> (i64, Vec<i64>) {
        let gifts = "SELECT coalesce(sum(quantity) FILTER (WHERE kind = 1), 0)::bigint
                     FROM gift.orders WHERE room_id = $1::uuid";
        let gifts = sqlx::query_scalar(gifts).bind(room).fetch_one(&mut *connection).await.expect("a sum");
        let coins =
            "SELECT sum(CASE kind WHEN 1 THEN 1 ELSE -1 END * (paid_coins + promo_coins))::bigint AS coins
                     FROM gift.orders WHERE room_id = $1::uuid AND kind IN (1, 4)
                     GROUP BY viewer_id ORDER BY coins DESC LIMIT $2";
        let places = i64::try_from(like.ranks.len()).expect("a small number");
        let coins = sqlx::query_scalar(coins).bind(room).bind(places).fetch_all(connection).await;
        (gifts, coins.expect("sums"))
    }

    pub fn facts(&self) -> (i64, Vec<i64>) {
        (self.gift_count, self.ranks.iter().map(|rank| rank.coins).collect())
    }
}
