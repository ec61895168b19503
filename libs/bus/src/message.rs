//! A message as readers get it.

use bytes::Bytes;
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// One message. Readers of one process to whom the broker hands the same message read it once between them: a clone
/// shares what was made of it.
#[derive(Clone)]
pub struct Message {
    payload: Bytes,
    read: Arc<OnceLock<Arc<dyn Any + Send + Sync>>>,
}

impl Message {
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// What `read` makes of the payload. Whoever asks first reads, and the others wait for that and take a copy; who
    /// wants another type than the first reads for itself.
    pub fn read_once<T: Clone + Send + Sync + 'static>(self, read: impl Fn(&[u8]) -> T) -> T {
        let Message { payload, read: known } = self;
        let made = Arc::clone(known.get_or_init(|| Arc::new(read(&payload))));
        drop(known); // The last to ask needs no copy.
        match made.downcast() {
            Ok(made) => Arc::unwrap_or_clone(made),
            Err(_) => read(&payload),
        }
    }
}

impl<P: Into<Bytes>> From<P> for Message {
    fn from(payload: P) -> Message {
        Message { payload: payload.into(), read: Arc::default() }
    }
}

/// Messages are the same where their payloads are.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.payload == other.payload
    }
}

impl Eq for Message {}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Message").field(&self.payload).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Message;
    use std::cell::Cell;

    #[test]
    fn clones_are_read_once_and_another_type_is_read_anew() {
        let message = Message::from("12");
        let times = Cell::new(0);
        let read = |payload: &[u8]| {
            times.set(times.get() + 1);
            payload.len()
        };
        assert_eq!(
            (message.clone().read_once(read), message.clone().read_once(read), times.get()),
            (2, 2, 1)
        );
        assert_eq!(message.clone().read_once(<[u8]>::to_vec), b"12");
        let same_payload = Message::from("12");
        assert_eq!(same_payload, message);
        assert_eq!((same_payload.read_once(read), times.get()), (2, 2), "it came on its own");
    }
}
