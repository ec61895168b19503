//! `/`: the rooms.

use super::frame::{Frame, Session, hue_of, short};
use crate::Deps;
use axum::extract::State;
use contracts::catalogue::{Room, RoomState};
use maud::{Markup, html};

/// The lobby: live rooms first.
pub(crate) async fn page(State(deps): State<Deps>, session: Session) -> Markup {
    let mut rooms = deps.directory.rooms();
    rooms.sort_by(|a, b| (a.state != RoomState::Live, &a.title).cmp(&(b.state != RoomState::Live, &b.title)));
    let live = rooms.iter().filter(|room| room.state == RoomState::Live).count();
    let frame = Frame { title: "Rooms", script: "lobby", styles: &[], session: &session, deps: &deps };
    frame.around(html! {
        div .page-head {
            div { h1 { "Rooms" } p .muted { (live) " live now" } }
            input type="search" #find-room placeholder="Find a room" aria-label="Find a room";
        }
        @if rooms.is_empty() {
            p .empty { "No room yet. Rooms appear here as soon as the catalogue has one." }
        }
        ul .rooms #rooms { @for room in &rooms { (card(room)) } }
        p .empty #no-room hidden { "No room has that name." }
    })
}

fn card(room: &Room) -> Markup {
    let streamer = room.streamer_id.uuid();
    html! {
        li .room-card {
            a href={ "/rooms/" (room.room_id) } {
                span .cover.(hue_of(room.room_id.uuid())) aria-hidden="true" {
                    span .cover-initial { (initial(&room.title)) }
                }
                (badge(room.state))
                span .room-title { (room.title) }
                span .room-streamer {
                    span .avatar.(hue_of(streamer)) aria-hidden="true" { (initial(&room.title)) }
                    "Streamer " (short(streamer))
                }
            }
        }
    }
}

pub(super) fn badge(state: RoomState) -> Markup {
    match state {
        RoomState::Live => html! { span .badge.live { "Live" } },
        RoomState::Closed => html! { span .badge { "Closed" } },
    }
}

pub(super) fn initial(title: &str) -> String {
    title
        .chars()
        .find(|letter| letter.is_alphanumeric())
        .map_or_else(String::new, |letter| letter.to_uppercase().collect())
}
