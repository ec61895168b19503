//! What can be wrong with a replay file or a recording, with the line and the field of it.

use crate::format::{LINE_LEN_MAX, UNPACKED_LEN_MAX};
use std::path::PathBuf;

/// Why a file cannot be replayed. Nothing was sent when one of these is returned by validation.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("cannot open {path}")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("line {line}: the file cannot be read here")]
    Read { line: u64, source: std::io::Error },
    #[error("line {line}: the compressed file ends in the middle; it is truncated")]
    Truncated { line: u64 },
    #[error("line {line}: the compressed data is damaged ({problem})")]
    Damaged { line: u64, problem: String },
    #[error("line {line}: longer than {LINE_LEN_MAX} bytes")]
    LineTooLong { line: u64 },
    #[error("line {line}: the file unpacks to more than {UNPACKED_LEN_MAX} bytes")]
    UnpackedTooLong { line: u64 },
    #[error("line {line}: not UTF-8 text")]
    NotText { line: u64 },
    #[error("line {line}: empty; every line is one JSON object")]
    EmptyLine { line: u64 },
    #[error("line {line}: not one flat JSON object: {problem}")]
    Json { line: u64, problem: String },
    #[error("the file is empty; its first line must be the header")]
    Empty,
    #[error("line {line}, field `{field}`: {problem}")]
    Field { line: u64, field: String, problem: FieldProblem },
    #[error("line {line}: a {kind} line comes too late; the order is rooms, recharges, gifts")]
    OutOfOrder { line: u64, kind: &'static str },
    #[error("line 1, field `{field}`: the header declares {declared}, the file has {found}")]
    Count { field: &'static str, declared: u64, found: u64 },
    #[error("line {line}: not the recording of a live room: {problem}")]
    Xml { line: u64, problem: String },
    #[error("the recording is longer than {max} bytes")]
    RecordingTooLong { max: u64 },
    #[error("the file changed after it was validated")]
    Changed,
    #[error("the reader of the file stopped")]
    Stopped,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    #[error("missing")]
    Missing,
    #[error("no such field here")]
    Unknown,
    #[error("given twice")]
    Twice,
    #[error("must be an integer, found {0}")]
    NotInteger(&'static str),
    #[error("must be text, found {0}")]
    NotText(&'static str),
    #[error("{found} is outside {min} to {max}")]
    OutOfRange { found: i128, min: i64, max: i64 },
    #[error("must have 1 to {max} characters")]
    TextLength { max: usize },
    #[error("holds a control character")]
    ControlCharacter,
    #[error("`{found}` is none of: {allowed}")]
    NotOneOf { found: String, allowed: &'static str },
    #[error("gift {0} is not in the catalogue")]
    UnknownGift(u32),
    #[error("gift {0} is off the shelf")]
    OffShelf(u32),
    #[error("room `{0}` has no room line")]
    UnknownRoom(String),
    #[error("room `{0}` is announced twice")]
    RoomTwice(String),
    #[error("states {stated} coins where the server charges {server}")]
    ChargeDiffers { stated: i64, server: i64 },
    #[error("the charge does not fit an amount of coins")]
    ChargeOverflow,
    #[error("a free gift is sent with coin_type silver")]
    GoldForFree,
    #[error("silver buys free gifts only, and gift {0} is not free")]
    SilverForPaid(u32),
    #[error("`{0}` is not a number")]
    NotNumber(String),
    #[error("two gifts of the recording get the same derived id {0}")]
    DerivedIdTwice(u32),
    #[error("the catalogue has another gift under the derived id {0}")]
    DerivedIdTaken(u32),
}
