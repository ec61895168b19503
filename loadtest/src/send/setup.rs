//! Before the first gift: the catalogue, the gifts and rooms a file needs, and its recharges.

use super::ReplaySettings;
use super::client::{Client, Request, SendError, Subject, Token, TokenCache};
use super::keys::{Purpose, Run};
use super::pump::{Task, Work, pump};
use crate::catalogue::Catalogue;
use crate::format::{Event, RechargeLine, RoomLine, viewer_id};
use crate::progress::{Phase, Progress};
use crate::replay::ValidReplay;
use contracts::catalogue::{Room, RoomState};
use futures::{StreamExt, TryStreamExt};
use ids::{RechargeId, ViewerId};
use reqwest::Method;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Coins that 1 minor unit of a recharge buys.
const COINS_PER_MINOR: i64 = 10;
/// Rooms that are opened at the same time.
const ROOMS_AT_ONCE: usize = 16;
/// Between two looks at wallets that are not credited yet.
const CREDIT_POLL: Duration = Duration::from_millis(100);

pub(super) async fn catalogue(client: &Client) -> Result<Catalogue, SendError> {
    let mut text = String::new();
    let what = Subject::Catalogue;
    let request =
        Request { method: Method::GET, path: "/v1/gifts", key: None, body: None, not_yet: &[], what };
    let answer = client.send(&request, &mut Token::sre(&*client.tokens, &mut text)).await?;
    if !answer.status.is_success() {
        return Err(answer.refused(what));
    }
    Catalogue::from_json(&answer.body)
        .map_err(|error| SendError::BadAnswer { what, problem: error.to_string() })
}

/// Creates what a recording needs and the server does not have.
pub(super) async fn create_gifts(client: &Client, replay: &ValidReplay, run: &Run) -> Result<(), SendError> {
    if replay.needed_gifts().is_empty() {
        return Ok(());
    }
    let known = catalogue(client).await?;
    for gift in replay.needed_gifts().iter().filter(|gift| known.find(gift.gift_id).is_none()) {
        let what = Subject::Gift(gift.gift_id);
        let body = to_json(gift, what)?;
        create(client, run, ("/v1/gifts", u64::from(gift.gift_id)), body, what).await?;
    }
    Ok(())
}

/// Creates the file's rooms, or opens them again.
pub(super) async fn create_rooms(
    client: &Client,
    replay: &Arc<ValidReplay>,
    run: &Run,
) -> Result<(), SendError> {
    let reading = Arc::clone(replay);
    let rooms = tokio::task::spawn_blocking(move || {
        let mut rooms = Vec::new();
        reading.each(|numbered| {
            if let Event::Room(room) = numbered.event {
                rooms.push((numbered.number, numbered.line, room));
            }
            Ok(())
        })?;
        Ok::<_, SendError>(rooms)
    });
    let rooms = rooms.await.map_err(|error| SendError::Worker(error.to_string()))??;
    let open = |(number, line, room): (u64, u64, RoomLine)| async move {
        let what = Subject::Line(line, "room");
        let body = Room {
            room_id: room.room_id(),
            streamer_id: room.streamer_id(),
            title: room.title,
            state: RoomState::Live,
        };
        create(client, run, ("/v1/rooms", number), to_json(&body, what)?, what).await
    };
    // Each is answered when every reader on its node sees it, so one after the other would wait most of the time.
    futures::stream::iter(rooms.into_iter().map(Ok)).try_for_each_concurrent(ROOMS_AT_ONCE, open).await
}

async fn create(
    client: &Client,
    run: &Run,
    (path, number): (&str, u64),
    body: String,
    what: Subject,
) -> Result<(), SendError> {
    let key = run.key(Purpose::Setup, number, ViewerId::from_uuid(run.run_id()));
    let request =
        Request { method: Method::POST, path, key: Some(key), body: Some(body), not_yet: &[], what };
    let mut text = String::new();
    let answer = client.send(&request, &mut Token::sre(&*client.tokens, &mut text)).await?;
    if answer.status.is_success() { Ok(()) } else { Err(answer.refused(what)) }
}

fn to_json<T: serde::Serialize>(body: &T, what: Subject) -> Result<String, SendError> {
    serde_json::to_string(body).map_err(|error| SendError::BadAnswer { what, problem: error.to_string() })
}

/// Recharges every viewer, pays in the sandbox, and waits until the coins are in the wallets.
pub(super) async fn recharge(
    client: &Client,
    settings: &ReplaySettings,
    replay: &Arc<ValidReplay>,
    (run, progress): (&Run, &Progress),
) -> Result<(), SendError> {
    let drawing = progress.start(Phase::Recharges, replay.counts().recharges);
    let workers = (0..settings.connections.max(1)).map(|_| Recharging {
        client: client.clone(),
        tokens: TokenCache::new(Arc::clone(&client.tokens)),
        run: run.clone(),
        progress: progress.clone(),
        due_coins: HashMap::new(),
    });
    let workers = pump(replay, workers.collect(), None, |numbered| match numbered.event {
        Event::Recharge(recharge) => Some(Task {
            viewer: viewer_id(&recharge.viewer),
            t_ms: recharge.t_ms,
            job: RechargeJob { number: numbered.number, line: numbered.line, recharge },
        }),
        Event::Room(_) | Event::Gift(_) | Event::ComboEnd(_) => None,
    });
    let due = workers.await?.into_iter().flat_map(|worker| worker.due_coins).collect();
    drop(drawing);
    wait_for_credits(client, settings, due).await
}

struct RechargeJob {
    number: u64,
    line: u64,
    recharge: RechargeLine,
}

struct Recharging {
    client: Client,
    tokens: TokenCache,
    run: Run,
    progress: Progress,
    due_coins: HashMap<ViewerId, i64>,
}

#[derive(Deserialize)]
struct RechargeAnswer {
    recharge_id: RechargeId,
}

impl Work for Recharging {
    type Job = RechargeJob;

    async fn act(&mut self, job: RechargeJob) -> Result<(), SendError> {
        let RechargeJob { number, line, recharge } = job;
        let viewer = viewer_id(&recharge.viewer);
        let what = Subject::Line(line, "recharge");
        let request = Request {
            method: Method::POST,
            path: "/v1/recharges",
            key: Some(self.run.key(Purpose::Recharge, number, viewer)),
            body: Some(format!(r#"{{"amount_minor":{},"channel":"sandbox"}}"#, recharge.amount_minor)),
            not_yet: &[],
            what,
        };
        let answer = post(&self.client, request, self.tokens.of(viewer)).await?;
        let RechargeAnswer { recharge_id } = answer.json(what)?;

        let what = Subject::Line(line, "payment of the recharge");
        let request = Request {
            method: Method::POST,
            path: "/v1/sandbox/payments",
            key: Some(self.run.key(Purpose::Payment, number, viewer)),
            body: Some(format!(r#"{{"recharge_id":"{recharge_id}"}}"#)),
            not_yet: &[],
            what,
        };
        post(&self.client, request, self.tokens.of(viewer)).await?;
        // Both factors are bounded by the format, so this cannot overflow.
        *self.due_coins.entry(viewer).or_insert(0) += recharge.amount_minor * COINS_PER_MINOR;
        self.progress.add(1, 0);
        Ok(())
    }
}

async fn post(
    client: &Client,
    request: Request<'_>,
    mut token: Token<'_>,
) -> Result<super::client::Answer, SendError> {
    let answer = client.send(&request, &mut token).await?;
    if answer.status.is_success() { Ok(answer) } else { Err(answer.refused(request.what)) }
}

#[derive(Deserialize)]
struct WalletAnswer {
    available: Available,
}

#[derive(Deserialize)]
struct Available {
    paid_coins: i64,
}

/// Looks at wallets until each holds what its viewer paid for. No gift of this run was sent yet, so a wallet
/// holds at least that once it is credited. Gives up when nothing more is credited for `credit_wait`.
async fn wait_for_credits(
    client: &Client,
    settings: &ReplaySettings,
    due_coins: HashMap<ViewerId, i64>,
) -> Result<(), SendError> {
    let mut waiting: Vec<(ViewerId, i64)> = due_coins.into_iter().collect();
    let mut advanced = Instant::now();
    while let Some(&first) = waiting.first() {
        // One look at one wallet, until it is credited: the others usually are by then.
        let still: Vec<Option<(ViewerId, i64)>> = if credited(client, first).await? {
            let looks = waiting.iter().map(|&due| async move {
                credited(client, due).await.map(|credited| if credited { None } else { Some(due) })
            });
            let looks: Vec<_> =
                futures::stream::iter(looks).buffer_unordered(settings.connections.max(1)).collect().await;
            looks.into_iter().collect::<Result<_, _>>()?
        } else {
            waiting.iter().copied().map(Some).collect()
        };
        let still: Vec<(ViewerId, i64)> = still.into_iter().flatten().collect();
        if still.len() < waiting.len() {
            advanced = Instant::now();
        } else if advanced.elapsed() >= settings.credit_wait {
            let waited = advanced.elapsed();
            return Err(SendError::NotCredited { count: still.len(), viewer: first.0, waited });
        }
        waiting = still;
        if !waiting.is_empty() {
            tokio::time::sleep(CREDIT_POLL).await;
        }
    }
    Ok(())
}

async fn credited(client: &Client, (viewer, due_coins): (ViewerId, i64)) -> Result<bool, SendError> {
    let what = Subject::Wallet(viewer);
    let request =
        Request { method: Method::GET, path: "/v1/wallet", key: None, body: None, not_yet: &[], what };
    let mut tokens = TokenCache::new(Arc::clone(&client.tokens));
    let answer = post(client, request, tokens.of(viewer)).await?;
    let wallet: WalletAnswer = answer.json(what)?;
    Ok(wallet.available.paid_coins >= due_coins)
}
