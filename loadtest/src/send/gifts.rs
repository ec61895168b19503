//! The gifts themselves: the hot loop of a replay.

use super::ReplaySettings;
use super::client::{Answer, Client, Request, SendError, Subject, TokenCache};
use super::keys::{Purpose, Run};
use super::pump::{Task, Work, pump};
use super::summary::{Clock, Summary, Tally};
use crate::format::{CoinType, Event, GiftLine, room_id, viewer_id};
use crate::progress::{Phase, Progress};
use crate::replay::ValidReplay;
use contracts::wallet::Replay;
use ids::{RoomId, ViewerId};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The refusal that is the viewer's own, and so an outcome of the replay and no failure.
const NOT_ENOUGH_COINS: &str = "not-enough-coins";
/// Every line's room and gift exist, so these mean that a node has not heard of them yet.
const NOT_YET: [&str; 2] = ["no-such-room", "no-such-gift"];

/// Sends every gift line, gold and silver.
pub(super) async fn send(
    client: &Client,
    settings: &ReplaySettings,
    replay: &Arc<ValidReplay>,
    (run, progress): (&Run, &Progress),
) -> Result<Summary, SendError> {
    let counts = replay.counts();
    let clock = Clock::of_span(counts.span_ms);
    let drawing = progress.start(Phase::Gifts, counts.gifts + counts.free_gifts);
    let workers = (0..settings.connections.max(1)).map(|worker| Sending {
        client: client.for_worker(worker),
        tokens: TokenCache::new(Arc::clone(&client.tokens)),
        run: run.clone(),
        progress: progress.clone(),
        tally: Tally::new(clock),
    });
    // At most ROOMS_MAX of them; the reading thread fills it, and is done before it is looked at.
    let titles = Arc::new(Mutex::new(HashMap::new()));
    let collected = Arc::clone(&titles);
    let select = move |numbered: crate::format::Numbered| match numbered.event {
        Event::Gift(gift) => Some(Task {
            viewer: viewer_id(&gift.viewer),
            t_ms: gift.t_ms,
            job: GiftJob { number: numbered.number, line: numbered.line, gift },
        }),
        Event::Room(room) => {
            let mut titles = collected.lock().unwrap_or_else(PoisonError::into_inner);
            titles.insert(room.room_id(), room.title);
            None
        }
        Event::Recharge(_) | Event::ComboEnd(_) => None,
    };
    client.begin_count();
    let workers = pump(replay, workers.collect(), settings.pace, select).await?;
    drop(drawing);
    let titles = std::mem::take(&mut *titles.lock().unwrap_or_else(PoisonError::into_inner));
    let tallies = workers.into_iter().map(|worker| worker.tally);
    Ok(Summary::of(tallies, titles, clock, (client.retries(), client.tries_max())))
}

struct GiftJob {
    number: u64,
    line: u64,
    gift: GiftLine,
}

struct Sending {
    client: Client,
    tokens: TokenCache,
    run: Run,
    progress: Progress,
    tally: Tally,
}

/// What the server says of a send. Fields we do not use are its own business.
#[derive(Deserialize)]
struct GiftAnswer {
    charge_coins: i64,
    outcome: GiftOutcome,
    #[serde(default)]
    replay: Option<Replay>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GiftOutcome {
    Accepted,
    Free,
}

impl Work for Sending {
    type Job = GiftJob;

    async fn act(&mut self, job: GiftJob) -> Result<(), SendError> {
        let (viewer, room) = (viewer_id(&job.gift.viewer), room_id(&job.gift.room));
        let what = Subject::Line(job.line, "gift");
        let GiftLine { gift_id, num, .. } = job.gift;
        let request = Request {
            method: Method::POST,
            path: "/v1/gift-orders",
            key: Some(self.run.key(Purpose::Gift, job.number, viewer)),
            body: Some(format!(r#"{{"room_id":"{room}","gift_id":{gift_id},"quantity":{num}}}"#)),
            not_yet: &NOT_YET,
            what,
        };
        let answer = self.client.send(&request, &mut self.tokens.of(viewer)).await?;
        self.settle(&job, (viewer, room), &answer)
    }
}

impl Sending {
    /// Counts one answer, or says why the run must stop.
    fn settle(
        &mut self,
        job: &GiftJob,
        (_, room): (ViewerId, RoomId),
        answer: &Answer,
    ) -> Result<(), SendError> {
        let what = Subject::Line(job.line, "gift");
        if answer.status.is_client_error() && answer.slug() == NOT_ENOUGH_COINS {
            self.tally.refused += 1;
            self.progress.add(1, 0);
            return Ok(());
        }
        if answer.status != StatusCode::OK && answer.status != StatusCode::CREATED {
            return Err(answer.refused(what));
        }
        let said: GiftAnswer = answer.json(what)?;
        let (stated, outcome) = match job.gift.coin_type {
            CoinType::Gold => (job.gift.total_coin, GiftOutcome::Accepted),
            CoinType::Silver => (0, GiftOutcome::Free),
        };
        if said.charge_coins != stated {
            return Err(SendError::ChargeDiffers { line: job.line, stated, server: said.charge_coins });
        }
        if said.outcome != outcome {
            let problem = "a free gift was taken as a charged one, or the other way round".to_owned();
            return Err(SendError::BadAnswer { what, problem });
        }
        match outcome {
            GiftOutcome::Free => self.tally.free += 1,
            GiftOutcome::Accepted => {
                let replayed = said.replay == Some(Replay::Replayed);
                self.tally.accept(room, job.gift.t_ms, stated, replayed);
            }
        }
        self.progress.add(1, stated);
        Ok(())
    }
}
