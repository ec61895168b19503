//! A reader of a log that goes away: what its queue keeps for it meanwhile.

use bus::{Bus, Subscription};
use contracts::lane::Lane;
use contracts::log::LogName;
use ids::GroupSet;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long a queue may take to give back what it kept.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(30);

/// Two readers of the wallet's log: one that went away and left its queue, and one that hears what that queue is sent.
pub struct Witness {
    bus: Bus,
    hearing: Subscription,
}

impl Witness {
    pub async fn begin(amqp: &str) -> Witness {
        let bus = Bus::connect(amqp, &Lane::Live, 1).await.expect("the broker answers");
        drop(joined(&bus, "witness-away").await);
        tokio::time::sleep(Duration::from_secs(1)).await; // Nobody takes from its queue any more.
        let hearing = joined(&bus, "witness-here").await;
        Witness { bus, hearing }
    }

    /// What was sent so far.
    pub async fn sent(&mut self) -> HashSet<Vec<u8>> {
        let (mut sent, began) = (HashSet::new(), Instant::now());
        while sent.is_empty() && began.elapsed() < GIVEN_BACK_WITHIN {
            tokio::time::sleep(Duration::from_millis(100)).await;
            while let Some(message) = self.hearing.try_recv() {
                sent.insert(message.payload().to_vec());
            }
        }
        sent
    }

    /// Comes back, and asks for what was sent; what the queue did not keep.
    pub async fn not_kept(&self, mut sent: HashSet<Vec<u8>>) -> HashSet<Vec<u8>> {
        let mut kept = joined(&self.bus, "witness-away").await;
        let taken = async {
            while !sent.is_empty()
                && let Some(message) = kept.recv().await
            {
                sent.remove(message.payload().as_ref());
            }
        };
        let _ = tokio::time::timeout(GIVEN_BACK_WITHIN, taken).await; // What is left tells.
        sent
    }
}

async fn joined(bus: &Bus, reader: &str) -> Subscription {
    let mut subscription = bus.subscribe(LogName::Entries.as_str(), reader);
    subscription.follow(GroupSet::ALL);
    subscription.joined().await;
    subscription
}
