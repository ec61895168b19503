//! One row of each log that tells one story: ann pays, sends a rocket in a blind box, and the streamer earns.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::entry::{Combo, Entry, EntryKind, Funds, FundsDelta, GiftSend, Outcome, Reveal};
use contracts::item::{Item, ItemKind};
use contracts::lane::Lane;
use contracts::log::{
    AccountingZone, BatchMessage, EpochStart, HeadMark, LogName, LogRow, MarksMessage, SCHEMA_VERSION, Seq,
    Stamp, Stretch, minute_of,
};
use contracts::order::{Order, OrderKind};
use contracts::payment::{Payment, PaymentKind};
use contracts::payout::{PayeeClass, PayeeMove, Payout, PayoutKind};
use contracts::voucher::{Posting, Voucher};
use ids::{
    AgencyId, ComboId, OrderId, Partition, PaymentId, RoomId, SendKey, StreamerId, Uuid, ViewerId,
    partition_of,
};
use money::{Coins, Micros};
use std::sync::Arc;

/// An id of the story: a UUIDv7 of its evening that ends in `end`.
fn id(end: u64) -> Uuid {
    let text = format!("019a9f3c-0000-7000-8000-{end:012x}");
    Uuid::try_parse(&text).expect("a UUID")
}

fn at() -> DateTime<Utc> {
    "2026-11-20T13:30:05.250001Z".parse().expect("an instant")
}

fn viewer() -> ViewerId {
    ViewerId::from_uuid(id(1))
}

fn order_id() -> OrderId {
    OrderId::of(viewer(), SendKey::from_uuid(id(2)))
}

fn partition() -> Partition {
    partition_of(viewer().uuid())
}

fn coins(coins: i64) -> Coins {
    Coins::try_new(coins).expect("coins")
}

/// The stamp of a numbered row.
fn stamp(seq: Seq, origin_seq: Seq) -> Stamp {
    let zone = AccountingZone::default();
    Stamp {
        partition: partition(),
        seq,
        epoch: 3,
        decided_at: at(),
        minute: minute_of(at()),
        day: zone.day_of(at()),
        origin_seq,
    }
}

pub fn payment() -> Payment {
    Payment {
        stamp: stamp(17, 0),
        payment_id: PaymentId::from_uuid(id(3)),
        kind: PaymentKind::Recharge,
        account_id: viewer(),
        channel: "sandbox".to_owned(),
        channel_payment_id: "SBX-20261120-000017".to_owned(),
        refunds: None,
        amount_minor: 10_000,
        currency: "CNY".to_owned(),
        paid_coins: coins(100_000),
        promo_coins: coins(500),
        paid_at: at(),
    }
}

pub fn entry() -> Entry {
    Entry {
        stamp: stamp(42, 0),
        request_id: order_id().debit_request(),
        account_id: viewer(),
        previous_seq: 36,
        kind: EntryKind::Debit,
        outcome: Outcome::Accepted,
        available: FundsDelta { paid_coins: -1_500, promo_coins: -500 },
        held: FundsDelta::default(),
        after: Funds { paid_coins: coins(98_500), promo_coins: Coins::ZERO },
        held_after: Funds::default(),
        shortfall_coins: Coins::ZERO,
        origin_id: None,
        expires_at_ms: None,
        send: Some(Arc::new(GiftSend {
            room_id: RoomId::from_uuid(id(4)),
            streamer_id: StreamerId::from_uuid(id(5)),
            gift_id: 1_145,
            quantity: 2,
            unit_price_coins: coins(1_000),
            catalogue_version: 7,
            combo: Some(Combo { combo_id: ComboId::from_uuid(id(6)), count: 2 }),
            reveals: vec![Reveal { gift_id: 1_101, value_coins: coins(1_200), count: 2 }],
            node: "node-1/9f3c".to_owned(),
        })),
        body_hash: -7_340_115_442_381_090_021,
    }
}

/// A refusal is an entry too, and moves nothing.
pub fn refusal() -> Entry {
    Entry {
        stamp: stamp(43, 0),
        outcome: Outcome::NotEnoughCoins,
        previous_seq: 42,
        available: FundsDelta::default(),
        ..entry()
    }
}

pub fn order() -> Order {
    Order {
        stamp: stamp(40, 42),
        order_id: order_id(),
        kind: OrderKind::Delivered,
        viewer_id: viewer(),
        room_id: RoomId::from_uuid(id(4)),
        streamer_id: StreamerId::from_uuid(id(5)),
        gift_id: 1_145,
        quantity: 2,
        paid_coins: coins(1_500),
        promo_coins: coins(500),
    }
}

pub fn item() -> Item {
    Item {
        stamp: stamp(39, 40),
        order_id: order_id(),
        kind: ItemKind::Settled,
        streamer_id: StreamerId::from_uuid(id(5)),
        agency_id: Some(AgencyId::from_uuid(id(7))),
        contract_version: 2,
        paid_coins: coins(1_500),
        promo_coins: coins(500),
        gross_paid: Micros::new(150_000_000),
        gross_promo: Micros::new(0),
        streamer: Micros::new(67_500_000),
        agency: Micros::new(7_500_000),
        platform: Micros::new(69_000_000),
        tax: Micros::new(6_000_000),
    }
}

pub fn payout() -> Payout {
    Payout {
        stamp: stamp(7, 0),
        kind: PayoutKind::Submitted,
        payee: PayeeClass::Streamer,
        payee_id: id(5),
        payee_seq: 3,
        moved: PayeeMove {
            requested_minor: -100_000,
            in_flight_minor: 97_600,
            withheld_minor: 2_400,
            ..PayeeMove::default()
        },
        reference: id(9).to_string(),
    }
}

pub fn voucher() -> Voucher {
    let day = NaiveDate::from_ymd_opt(2026, 11, 20).expect("a day");
    let line = |account: &str, debit, credit| Posting {
        account: account.to_owned(),
        debit: Micros::new(debit),
        credit: Micros::new(credit),
    };
    Voucher {
        stamp: stamp(12, 42),
        rule: "gift-paid".to_owned(),
        source: LogName::Entries,
        from_seq: 31,
        to_seq: 42,
        posted_day: day,
        row_count: 12,
        coins: 9_000,
        postings: vec![line("2201.01", 900_000_000, 0), line("2205.01", 0, 900_000_000)],
    }
}

/// A batch of one row, as it travels.
pub fn batch<R: LogRow>(row: R) -> BatchMessage<R> {
    let stretch = Stretch::of_rows(EpochStart { epoch: 3, first_seq: 9 }, vec![row]);
    let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    BatchMessage { traceparent, ..BatchMessage::new(&Lane::Live, 1, stretch.into_iter().collect()) }
}

/// The marks of one head, as they travel once a second.
pub fn marks(log: LogName) -> MarksMessage {
    let mark = HeadMark { partition: partition(), epoch: 3, last_seq: 42, closed_until: at() };
    MarksMessage {
        schema_version: SCHEMA_VERSION,
        log,
        lane: Lane::Live,
        bus_generation: 1,
        marks: vec![mark],
    }
}
