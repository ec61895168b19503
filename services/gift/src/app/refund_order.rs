//! Refunds of one whole order: the keeper's automatic one and finance's are the same request.

use contracts::digest::body_hash;
use contracts::wallet::{Act, Command, RefundAmount};
use ids::{OrderId, ViewerId};

/// The refund of all that is left of an order: whoever asks for it, the wallet sees the same request id and body.
pub fn refund_command(order_id: OrderId, viewer_id: ViewerId) -> Command {
    let act = Act::Refund { order_id, amount: RefundAmount::AllLeft };
    Command { request_id: order_id.refund_request(), account_id: viewer_id, body_hash: body_hash(&act), act }
}
