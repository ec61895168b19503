//! The task of one set of hot keys: its clock, and what it tells and hears.

use crate::bulletin::Bulletin;
use crate::core::Core;
use crate::settings::TICK;
use cache::{Channel, ChannelLoss};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// The pause before subscribing again when there is no subscription.
const SUBSCRIBE_DELAY: Duration = Duration::from_secs(1);

fn channel(core: &Core) -> String {
    format!("hotkey:{}", core.family.shelf().name())
}

/// Ends when the last handle is gone.
pub async fn keep_time(core: Weak<Core>) {
    let mut clock = tokio::time::interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        clock.tick().await;
        let Some(core) = core.upgrade() else { return };
        let passed = last.elapsed().as_millis() / TICK.as_millis();
        let ticks = u32::try_from(passed).unwrap_or(u32::MAX).max(1);
        last = Instant::now();
        let per_s = core.step(ticks);
        let map = core.seats.map();
        metrics::gauge!("largesse_hotkey_hot_keys", "shelf" => core.family.shelf().name())
            .set(u32::try_from(map.len()).unwrap_or(u32::MAX));
        metrics::gauge!("largesse_hotkey_held_bytes", "shelf" => core.family.shelf().name())
            .set(u32::try_from(map.held_bytes).unwrap_or(u32::MAX));
        if !per_s.is_empty()
            && let Some(message) = (Bulletin { node: core.node, per_s }).to_bytes()
        {
            // A clock must not wait for a server; a bulletin that is lost is followed by the next.
            tokio::spawn(async move {
                if let Err(error) = core.cache.publish(&channel(&core), message).await {
                    tracing::debug!(%error, "other nodes were not told of hot keys");
                }
            });
        }
    }
}

/// Ends when the last handle is gone, or the cache is.
pub async fn listen(core: Weak<Core>) {
    loop {
        let (cache, name) = match core.upgrade() {
            Some(core) => (core.cache.clone(), channel(&core)),
            None => return,
        };
        match cache.subscribe(&name).await {
            Ok(channel) => {
                drop(cache); // Only the subscription stays, so that dropping the last handle ends it.
                if hear_out(channel, &core).await.is_none() {
                    return;
                }
            }
            Err(error) => tracing::debug!(%error, "other nodes' hot keys are not heard"),
        }
        tokio::time::sleep(SUBSCRIBE_DELAY).await;
    }
}

async fn hear_out(mut channel: Channel, core: &Weak<Core>) -> Option<()> {
    loop {
        let message = match channel.recv().await {
            Ok(message) => message,
            Err(ChannelLoss::Behind(_)) => continue, // Rates are told again at once.
            Err(ChannelLoss::Ended) => return Some(()),
        };
        let core: Arc<Core> = core.upgrade()?;
        match Bulletin::read(&message) {
            Some(bulletin) if bulletin.node != core.node => core.heat().hear(bulletin.node, bulletin.per_s),
            Some(_) => {}
            None => tracing::debug!("a message that is no bulletin was left out"),
        }
    }
}
