//! The chain of the audit trail: each row's hash covers the row and the hash before it.
//!
//! What it proves: a row that was changed, taken out, put in or moved shows, and so does a cut tail, as long as the
//! head or any anchor kept elsewhere is genuine. Who can rewrite every row, the head, and every anchor is not seen.

use super::canonical::{Hash, hash_of, hash_of_hex, hex};
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What stands before the first row.
pub const GENESIS: Hash = [0; 32];

/// One step, as the trail keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A person's id, or the service's name for what it does by itself.
    pub actor: String,
    pub act: &'static str,
    /// What it is about.
    pub subject: String,
    pub body: Value,
}

/// One row of the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub act: String,
    pub subject: String,
    pub body: Value,
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

impl Link {
    /// The row of a step behind `(seq, hash)`, the row before it. Times are kept in microseconds, as the database
    /// keeps them.
    pub fn after((seq, previous): (i64, Hash), step: Step, at: DateTime<Utc>) -> Link {
        let Step { actor, act, subject, body } = step;
        let link = Link {
            seq: seq + 1,
            at: at.trunc_subsecs(6),
            actor,
            act: act.to_owned(),
            subject,
            body,
            previous: previous.to_vec(),
            hash: Vec::new(),
        };
        Link { hash: link.hash_after(&previous).to_vec(), ..link }
    }

    /// The hash this row should have behind `previous`.
    fn hash_after(&self, previous: &[u8]) -> Hash {
        let Link { seq, at, actor, act, subject, body, .. } = self;
        let at_us = at.timestamp_micros();
        let said = json!({
            "seq": seq, "at_us": at_us, "actor": actor, "act": act, "subject": subject, "body": body,
        });
        hash_of(previous, &said)
    }
}

/// What is wrong with the first bad row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The row is not there, and later ones are.
    Gap,
    /// The row does not follow the one before it: it was put in or moved, or the one before it was written anew.
    WrongPrevious,
    /// What the row says was changed; the next row still knows its old hash.
    RewrittenBody,
    /// The row's hash is not that of what it says.
    WrongHash,
    /// The trail ends before the head says it does.
    CutTail,
    /// The trail goes on behind its head: rows were added past the program.
    BehindHead,
    /// The last row is not the one the head knows.
    WrongHead,
    /// The row is not the one that an anchor kept elsewhere knows.
    WrongAnchor,
    /// Nothing says where the trail ends: its head was deleted.
    HeadMissing,
}

/// The first bad row of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    pub seq: i64,
    pub kind: FaultKind,
}

/// A row known from elsewhere: a log line, a closed period, a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub seq: i64,
    pub hash: Hash,
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.hash))
    }
}

/// A text that is no anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an anchor is a seq, a colon, and 64 hexadecimal digits")]
pub struct BadAnchor;

impl std::str::FromStr for Anchor {
    type Err = BadAnchor;

    fn from_str(text: &str) -> Result<Anchor, BadAnchor> {
        let (seq, hash) = text.split_once(':').ok_or(BadAnchor)?;
        let seq = seq.parse().map_err(|_| BadAnchor)?;
        Ok(Anchor { seq, hash: hash_of_hex(hash).ok_or(BadAnchor)? })
    }
}

/// Checks rows one by one, in the order of their seqs; keeps one of them.
#[derive(Clone, Debug)]
pub struct ChainCheck {
    seq: i64,
    hash: Vec<u8>,
    /// The last row's hash is not that of what it says: the next row tells which of the two was changed.
    doubted: Option<Hash>,
    anchors: Vec<Anchor>,
}

impl ChainCheck {
    /// A check from the first row on, against the anchors.
    pub fn new(anchors: Vec<Anchor>) -> ChainCheck {
        ChainCheck { seq: 0, hash: GENESIS.to_vec(), doubted: None, anchors }
    }

    /// The last row that was looked at.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// Looks at the next row.
    ///
    /// # Errors
    /// The first [`Fault`]; nothing after it can be said.
    pub fn look(&mut self, link: &Link) -> Result<(), Fault> {
        if let Some(right) = self.doubted {
            let kind = if link.previous == right { FaultKind::WrongHash } else { FaultKind::RewrittenBody };
            return Err(Fault { seq: self.seq, kind });
        }
        if link.seq != self.seq + 1 {
            return Err(Fault { seq: self.seq + 1, kind: FaultKind::Gap });
        }
        if link.previous != self.hash {
            return Err(Fault { seq: link.seq, kind: FaultKind::WrongPrevious });
        }
        let right = link.hash_after(&link.previous);
        self.doubted = (link.hash != right).then_some(right);
        (self.seq, self.hash) = (link.seq, link.hash.clone());
        let differs = |anchor: &&Anchor| anchor.seq == link.seq && anchor.hash.as_slice() != link.hash;
        match self.anchors.iter().find(differs) {
            Some(_) if self.doubted.is_none() => Err(Fault { seq: link.seq, kind: FaultKind::WrongAnchor }),
            Some(_) | None => Ok(()),
        }
    }

    /// Compares the end with the head, which was read before the rows were.
    ///
    /// # Errors
    /// The [`Fault`] at the end.
    pub fn finish(self, head: Anchor) -> Result<(), Fault> {
        if let Some(right) = self.doubted {
            // The head plays the next row's part.
            let kind = if head.hash == right { FaultKind::WrongHash } else { FaultKind::RewrittenBody };
            return Err(Fault { seq: self.seq, kind });
        }
        let far = self.anchors.iter().map(|anchor| anchor.seq).fold(head.seq, i64::max);
        if self.seq < far {
            return Err(Fault { seq: self.seq + 1, kind: FaultKind::CutTail });
        }
        if self.seq > head.seq {
            return Err(Fault { seq: head.seq + 1, kind: FaultKind::BehindHead });
        }
        if self.hash != head.hash {
            return Err(Fault { seq: self.seq, kind: FaultKind::WrongHead });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(len: i64) -> (Vec<Link>, Anchor) {
        let (mut end, mut links) = ((0, GENESIS), Vec::new());
        for number in 0..len {
            let body = json!({ "number": number });
            let step = Step { actor: "ann".into(), act: "commented", subject: "it".into(), body };
            let link = Link::after(end, step, DateTime::UNIX_EPOCH);
            end = (link.seq, Hash::try_from(link.hash.as_slice()).expect("whole"));
            links.push(link);
        }
        (links, Anchor { seq: end.0, hash: end.1 })
    }

    fn verdict(links: &[Link], head: Anchor, anchors: Vec<Anchor>) -> Result<(), (i64, FaultKind)> {
        let mut check = ChainCheck::new(anchors);
        let looked = links.iter().try_for_each(|link| check.look(link)).and_then(|()| check.finish(head));
        looked.map_err(|fault| (fault.seq, fault.kind))
    }

    #[test]
    fn a_whole_chain_is_whole_and_an_empty_one_too() {
        let (links, head) = chain(5);
        assert_eq!(verdict(&links, head, vec![]), Ok(()));
        assert_eq!(verdict(&[], Anchor { seq: 0, hash: GENESIS }, vec![]), Ok(()));
    }

    #[test]
    fn each_way_to_tamper_is_named_at_its_first_row() {
        let (links, head) = chain(5);
        let tampered = |change: &dyn Fn(&mut Vec<Link>)| {
            let mut links = links.clone();
            change(&mut links);
            verdict(&links, head, vec![])
        };
        let body = |at: usize| move |links: &mut Vec<Link>| links[at].body = json!({ "number": 99 });
        assert_eq!(tampered(&body(2)), Err((3, FaultKind::RewrittenBody)));
        assert_eq!(tampered(&body(4)), Err((5, FaultKind::RewrittenBody)), "the last row");
        assert_eq!(tampered(&|links| links[1].hash = vec![1; 32]), Err((2, FaultKind::WrongHash)));
        assert_eq!(tampered(&|links| drop(links.remove(3))), Err((4, FaultKind::Gap)));
        assert_eq!(tampered(&|links| links.truncate(3)), Err((4, FaultKind::CutTail)));
        assert_eq!(tampered(&|links| links.clear()), Err((1, FaultKind::CutTail)));
        let swap = |links: &mut Vec<Link>| {
            links.swap(1, 2);
            (links[1].seq, links[2].seq) = (2, 3);
        };
        assert_eq!(tampered(&swap), Err((2, FaultKind::WrongPrevious)));
        // Written anew from some row on, with right hashes: the head does not know it.
        let anew = |links: &mut Vec<Link>| {
            let before = Hash::try_from(links[2].hash.as_slice()).expect("whole");
            let step = Step { actor: "eve".into(), act: "commented", subject: "it".into(), body: json!({}) };
            links.truncate(3);
            links.push(Link::after((3, before), step.clone(), DateTime::UNIX_EPOCH));
            let before = Hash::try_from(links[3].hash.as_slice()).expect("whole");
            links.push(Link::after((4, before), step, DateTime::UNIX_EPOCH));
        };
        assert_eq!(tampered(&anew), Err((5, FaultKind::WrongHead)));
    }

    #[test]
    fn an_anchor_kept_elsewhere_sees_what_a_forged_head_hides() {
        let (links, head) = chain(5);
        let (cut, forged) = (&links[..3], Hash::try_from(links[2].hash.as_slice()).expect("whole"));
        let forged = Anchor { seq: 3, hash: forged };
        assert_eq!(verdict(cut, forged, vec![]), Ok(()), "from the database alone nothing can be said");
        assert_eq!(verdict(cut, forged, vec![head]), Err((4, FaultKind::CutTail)));
        let other = Anchor { seq: 2, hash: [7; 32] };
        assert_eq!(verdict(&links, head, vec![other]), Err((2, FaultKind::WrongAnchor)));
        assert_eq!(verdict(&links, head, vec![forged, head]), Ok(()));
        assert_eq!(head.to_string().parse(), Ok(head), "as it is written down, so it is read");
        assert_eq!("5:00".parse::<Anchor>(), Err(BadAnchor));
    }
}
