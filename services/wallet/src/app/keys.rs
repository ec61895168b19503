//! The request ids of one partition that memory knows: all of those not older than `known_since_ms`.

use crate::store::KnownRequest;
use contracts::log::Seq;
use foldhash::HashMap;
use ids::{RequestId, id_time};
use std::collections::BTreeMap;

/// What a known id was decided with, and where its entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub body_hash: i64,
    pub seq: Seq,
}

/// Ids fall into buckets of their own second; whole buckets are forgotten, oldest first.
const BUCKET_MS: i64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Keys {
    known: HashMap<RequestId, Known>,
    buckets: BTreeMap<i64, Vec<RequestId>>,
    known_since_ms: i64,
}

impl Keys {
    /// Keys as loaded: every decided id from `known_since_ms` on is among `requests`.
    pub fn loaded(known_since_ms: i64, requests: Vec<KnownRequest>) -> Keys {
        let mut keys = Keys { known_since_ms, ..Keys::default() };
        for request in requests {
            keys.insert(request.request_id, Known { body_hash: request.body_hash, seq: request.seq });
        }
        keys
    }

    pub fn find(&self, request_id: RequestId) -> Option<Known> {
        self.known.get(&request_id).copied()
    }

    /// Whether an id not found here may still have been decided: it is older than memory reaches.
    pub fn may_be_stored(&self, request_id: RequestId) -> bool {
        id_time(request_id.uuid()).unix_ms < self.known_since_ms
    }

    pub fn insert(&mut self, request_id: RequestId, known: Known) {
        let unix_ms = id_time(request_id.uuid()).unix_ms;
        if unix_ms >= self.known_since_ms && self.known.insert(request_id, known).is_none() {
            self.buckets.entry(unix_ms.div_euclid(BUCKET_MS)).or_default().push(request_id);
        }
    }

    /// Forgets the oldest seconds until at most `keys_max` ids are left.
    pub fn forget_down_to(&mut self, keys_max: usize) {
        while self.known.len() > keys_max {
            let Some((bucket, request_ids)) = self.buckets.pop_first() else { return };
            for request_id in request_ids {
                self.known.remove(&request_id);
            }
            self.known_since_ms = self.known_since_ms.max((bucket + 1) * BUCKET_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, Known};
    use ids::{RequestId, Uuid, id_time};

    #[test]
    fn a_forgotten_id_is_looked_up_and_never_taken_for_new() {
        let id_of = |second: u8| {
            let mut bytes = RequestId::now().uuid().into_bytes();
            bytes[..6]
                .copy_from_slice(&(1_700_000_000_000_i64 + i64::from(second) * 1_000).to_be_bytes()[2..]);
            RequestId::from_uuid(Uuid::from_bytes(bytes))
        };
        let mut keys = Keys::default();
        let requests: Vec<RequestId> = (0..20).map(id_of).collect();
        for (seq, request_id) in (1..).zip(&requests) {
            assert!(!keys.may_be_stored(*request_id), "memory reaches back to the beginning");
            keys.insert(*request_id, Known { body_hash: 7, seq });
        }
        keys.forget_down_to(5);
        for (index, request_id) in requests.iter().enumerate() {
            let known = keys.find(*request_id).is_some();
            assert_eq!(known, index >= 15);
            assert_eq!(keys.may_be_stored(*request_id), !known, "{}", id_time(request_id.uuid()).unix_ms);
        }
        keys.insert(requests[0], Known { body_hash: 7, seq: 1 });
        assert_eq!(keys.find(requests[0]), None, "an id older than memory reaches stays in the table alone");
    }
}
