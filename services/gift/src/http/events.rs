//! A room's events as server-sent events, resumed with `Last-Event-ID`: `/v1/rooms/{room_id}/events`.

use super::State as Shared;
use super::rooms::room_of;
use crate::app::stage::{Seat, Stage};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use bytes::Bytes;
use cache::{Feed, FeedId, FeedLoss};
use edge::{Path, Problem};
use futures::Stream;
use ids::RoomId;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// A room's events from now on, or from after `Last-Event-ID`. Public; viewers appear by short ids.
///
/// The first event has the type `hello` and the id of the newest event so far: a client that loses the
/// connection resumes without a gap even if it has seen nothing else.
#[utoipa::path(get, path = "/v1/rooms/{room_id}/events", tag = "gift", params(
        ("room_id" = RoomId, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen.")),
    responses((status = 200, body = crate::app::stage::RoomEvent, content_type = "text/event-stream"),
        (status = 404, body = edge::ProblemDocument), (status = 503, body = edge::ProblemDocument)))]
pub(super) async fn stream_events(
    State(state): State<Arc<Shared>>,
    Path(room_id): Path<RoomId>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    room_of(&state, room_id)?;
    let after = last_seen(&headers)?;
    let watching = state.stage.watch(room_id, after, state.switches.room_subscribers_max()).await?;
    let newest = watching.backlog.last().map(|(id, _)| *id);
    let (from, backlog) = match after {
        Some(after) => (after, watching.backlog.into()),
        None => (newest.unwrap_or_default(), VecDeque::new()),
    };
    let watcher = Watcher {
        stage: Arc::clone(&state.stage),
        room_id,
        feed: watching.feed,
        backlog,
        last: from,
        shutdown: state.shutdown.clone(),
        _seat: watching.seat,
    };
    let hello = Event::default().event("hello").id(from.to_string()).data("{}");
    let first = futures::stream::once(std::future::ready(Ok(hello)));
    let events = futures::stream::unfold(watcher, |mut watcher| async move {
        let (id, payload) = watcher.next().await?;
        let text = String::from_utf8_lossy(&payload).into_owned();
        Some((Ok(Event::default().id(id.to_string()).data(text)), watcher))
    });
    let stream = futures::StreamExt::chain(first, events);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(state.heartbeat).text("still here")))
}

fn last_seen(headers: &HeaderMap) -> Result<Option<FeedId>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let malformed = |_| {
        Problem::malformed(
            "last-event-id-malformed",
            "The header Last-Event-ID must be an id of this stream.",
        )
        .with("field", "Last-Event-ID")
    };
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(malformed) }
}

struct Watcher {
    stage: Arc<Stage>,
    room_id: RoomId,
    feed: Feed,
    backlog: VecDeque<(FeedId, Bytes)>,
    last: FeedId,
    shutdown: watch::Receiver<bool>,
    _seat: Seat,
}

impl Watcher {
    /// The next event after the last one. `None` ends the stream: the client comes back and resumes.
    async fn next(&mut self) -> Option<(FeedId, Bytes)> {
        loop {
            while let Some((id, payload)) = self.backlog.pop_front() {
                if id > self.last {
                    self.last = id;
                    return Some((id, payload));
                }
            }
            let event = tokio::select! {
                biased;
                _ = self.shutdown.changed() => return None,
                event = self.feed.recv() => event,
            };
            match event {
                Ok(event) => self.backlog.push_back((event.id, event.payload)),
                Err(FeedLoss::Behind(_)) => {
                    let missed = self.stage.read_after(self.room_id, Some(self.last)).await.ok()?;
                    self.backlog.extend(missed);
                }
                Err(FeedLoss::Ended) => return None,
            }
        }
    }
}
