//! What nodes tell each other about their rates, and nothing else: values never travel here.

use bytes::Bytes;
use uuid::Uuid;

/// A larger message is not one of ours.
const BULLETIN_BYTES_MAX: usize = 256 << 10;

/// One node's hottest keys, in reads per second.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bulletin {
    pub node: Uuid,
    pub per_s: Vec<(String, u64)>,
}

impl Bulletin {
    pub fn to_bytes(&self) -> Option<Bytes> {
        serde_json::to_vec(self).ok().map(Bytes::from)
    }

    pub fn read(message: &[u8]) -> Option<Bulletin> {
        if message.len() > BULLETIN_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(message).ok()
    }
}
