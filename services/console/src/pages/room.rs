//! `/rooms/{id}`: the stage with its effects, the gift panel, ranks and own history.

use super::dialogs;
use super::frame::{Frame, Session, catalogue, hue_of, short};
use super::gift_panel::gift_panel;
use super::lobby::{badge, initial};
use crate::Deps;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use contracts::catalogue::{Room, RoomState};
use edge::{AnyRole, Role};
use http::StatusCode;
use ids::RoomId;
use maud::{Markup, html};

/// One room, or a page that says there is none.
pub(crate) async fn page(
    State(deps): State<Deps>,
    session: Session,
    Path(room_id): Path<String>,
) -> Response {
    let found = room_id.parse().ok().and_then(|room_id: RoomId| deps.directory.find_room(room_id));
    match found {
        Some(room) => room_page(&deps, &session, &room).into_response(),
        None => (StatusCode::NOT_FOUND, missing_page(&deps, &session)).into_response(),
    }
}

fn missing_page(deps: &Deps, session: &Session) -> Markup {
    let frame = Frame { title: "No such room", script: "lobby", styles: &[], session, deps };
    frame.around(html! {
        div .page-head { div { h1 { "There is no such room" } p { a href="/" { "All rooms" } } } }
    })
}

fn room_page(deps: &Deps, session: &Session, room: &Room) -> Markup {
    let gifts = deps.directory.gifts();
    let styles = ["room", "effects"];
    let frame = Frame { title: &room.title, script: "room", styles: &styles, session, deps };
    let is_viewer = matches!(session, Ok(AnyRole(claims)) if claims.role == Role::Viewer);
    frame.around(html! {
        div .room data-room=(room.room_id) data-live[room.state == RoomState::Live] {
            (stage(room))
            section .send aria-label="Gifts" {
                @if room.state == RoomState::Closed {
                    p .empty { "This room is closed and takes no gifts." }
                } @else if is_viewer {
                    (gift_panel(&gifts))
                } @else {
                    p .empty { "Sign in as a viewer to send gifts. Watching needs no account." }
                }
            }
            aside .side {
                section .card aria-labelledby="ranks-title" {
                    div .card-head { h2 #ranks-title { "Top supporters" } span .muted #gift-count {} }
                    ol .ranks #ranks { li .muted { "Nobody yet. The first gift leads." } }
                }
                @if is_viewer {
                    section .card aria-labelledby="history-title" {
                        div .card-head { h2 #history-title { "My gifts" } a href="/me" { "All" } }
                        ul .history #history data-limit="8" {}
                    }
                }
            }
        }
        (catalogue(&gifts))
        @if is_viewer { (dialogs::recharge()) (dialogs::odds()) (dialogs::confirm()) }
    })
}

fn stage(room: &Room) -> Markup {
    let streamer = room.streamer_id.uuid();
    html! {
        section .stage.(hue_of(room.room_id.uuid())) aria-label="Stage" {
            div .stage-head {
                span .avatar.large.(hue_of(streamer)) aria-hidden="true" { (initial(&room.title)) }
                div {
                    h1 { (room.title) }
                    p { "Streamer " (short(streamer)) }
                }
                (badge(room.state))
                span .link-state #link-state role="status" {}
            }
            div .scene aria-hidden="true" {
                span .scene-initial { (initial(&room.title)) }
                @if room.state == RoomState::Live { span .scene-bars { @for _ in 0..9 { i {} } } }
            }
            div .full #full aria-hidden="true" {}
            div .banners #banners aria-hidden="true" {}
            div .lines #lines aria-hidden="true" {}
            p .visually-hidden #spoken aria-live="polite" {}
        }
    }
}
