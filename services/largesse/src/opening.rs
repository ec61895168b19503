//! The first rooms of a development installation, so that a fresh lobby is not empty. Made through the API, like
//! anybody's rooms.

use crate::compose::Stack;
use crate::failure::Failure;
use contracts::catalogue::{Room, RoomState};
use edge::Role;
use ids::{RoomId, StreamerId, Uuid, named_id};
use std::time::Duration;

const ROOMS: [(&str, &str); 6] = [
    ("aria", "Aria sings requests"),
    ("bruno", "Bruno cooks noodles"),
    ("cassia", "Cassia paints the harbour"),
    ("dorian", "Dorian speedruns"),
    ("elin", "Elin reads at night"),
    ("fumi", "Fumi and the cats"),
];

/// Opens the first rooms where there are none.
///
/// # Errors
/// [`Failure::Start`] when the API does not take them.
pub async fn open_first_rooms(stack: &Stack) -> Result<(), Failure> {
    if !stack.rooms().is_empty() {
        return Ok(());
    }
    let failed =
        |error: reqwest::Error| Failure::Start { service: "the first rooms", source: Box::new(error) };
    let token =
        stack.tokens().mint(Role::Sre, Uuid::now_v7(), Duration::from_secs(60)).map_err(Failure::Token)?;
    let client = reqwest::Client::new();
    for (streamer, title) in ROOMS {
        let room = Room {
            room_id: RoomId::from_uuid(named_id("room", streamer)),
            streamer_id: StreamerId::from_uuid(named_id("streamer", streamer)),
            title: title.to_owned(),
            state: RoomState::Live,
        };
        let sent =
            client.post(format!("http://{}/v1/rooms", stack.address())).bearer_auth(&token).json(&room);
        sent.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    }
    Ok(())
}
