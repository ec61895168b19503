//! The OpenAPI document of gift.

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    super::gifts::list_gifts,
    super::gifts::save_gift,
    super::rooms::list_rooms,
    super::rooms::save_room,
    super::rooms::get_room,
    super::rooms::list_ranks,
    super::switches::list_switches,
    super::switches::set_switch,
    super::switches::clear_switch,
    super::events::stream_events,
    super::gift_orders::send_gift,
    super::gift_orders::find_by_key,
    super::gift_orders::get_order,
    super::gift_orders::refund_order,
))]
struct Document;

/// What gift serves.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(super::refund_cases::Api::openapi());
    document.merge(trail::openapi());
    document
}
