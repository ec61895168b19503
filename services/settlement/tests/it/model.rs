//! Invariant under test: whatever is sent and refunded, earnings are what a plain map says, and nothing is lost.

use crate::desk::Desk;
use crate::orders::{day_of, delivered, later, noon};
use chrono::NaiveDate;
use contracts::item::ItemKind;
use contracts::order::{Order, OrderKind};
use ids::{StreamerId, Uuid};
use money::{Micros, Ppm, split_by_ppm, tax_included};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One act of the history.
#[derive(Clone, Debug)]
enum Act {
    Deliver {
        streamer: usize,
        paid: i64,
        promo: i64,
    },
    /// Refunds part of an earlier order: which one, and how many thousandths of what is left of each fund.
    Refund {
        order: usize,
        paid_permille: i64,
        promo_permille: i64,
    },
    Fail {
        streamer: usize,
        paid: i64,
    },
    NextDay,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0_usize..3, 0_i64..10_000, 0_i64..1_000)
            .prop_map(|(streamer, paid, promo)| Act::Deliver { streamer, paid, promo }),
        2 => (any::<prop::sample::Index>(), 0_i64..=1_000, 0_i64..=1_000)
            .prop_map(|(order, paid_permille, promo_permille)|
                Act::Refund { order: order.index(1_000), paid_permille, promo_permille }),
        1 => (0_usize..3, 1_i64..100).prop_map(|(streamer, paid)| Act::Fail { streamer, paid }),
        1 => Just(Act::NextDay),
    ];
    prop::collection::vec(act, 1..60)
}

struct Sent {
    order: Order,
    left: (i64, i64),
}

type Model = BTreeMap<(i16, Uuid, NaiveDate), i64>;

/// What streamer, platform and tax get of some coins by the default contract: half and half, 6 % VAT.
fn parts(paid: i64, promo: i64) -> [i64; 3] {
    let half = Ppm::try_new(500_000).expect("in range");
    let [streamer, platform] = split_by_ppm(Micros::new(paid * 100_000), [half, half]).expect("fits");
    let tax =
        tax_included(Micros::new(paid * 100_000), Ppm::try_new(60_000).expect("in range")).expect("fits");
    let [more, rest] = split_by_ppm(Micros::new(promo * 100_000), [half, half]).expect("fits");
    [streamer.get() + more.get(), platform.get() - tax.get() + rest.get(), tax.get()]
}

fn add(model: &mut Model, streamer: StreamerId, day: NaiveDate, parts: [i64; 3], sign: i64) {
    let payees = [(1, streamer.uuid()), (3, Uuid::nil()), (4, Uuid::nil())];
    for ((kind, payee), part) in payees.into_iter().zip(parts) {
        *model.entry((kind, payee, day)).or_default() += sign * part;
    }
}

async fn run(acts: Vec<Act>) {
    let mut desk = Desk::open().await;
    let streamers = [StreamerId::now(), StreamerId::now(), StreamerId::now()];
    let (mut sent, mut model, mut day): (Vec<Sent>, Model, i64) = (Vec::new(), Model::new(), 1);
    let (mut coins_left, half) = (0_i64, acts.len() / 2);
    for (at, act) in acts.into_iter().enumerate() {
        match act {
            Act::NextDay => day += 1,
            Act::Deliver { streamer, paid, promo } => {
                let order = desk.orders.append(delivered(streamers[streamer], paid, promo, day));
                add(&mut model, order.streamer_id, day_of(day), parts(paid, promo), 1);
                sent.push(Sent { order, left: (paid, promo) });
                coins_left += paid + promo;
            }
            Act::Refund { order, paid_permille, promo_permille } => {
                let count = sent.len();
                let Some(Sent { order, left }) = sent.get_mut(order.checked_rem(count).unwrap_or(0)) else {
                    continue;
                };
                let back = (left.0 * paid_permille / 1_000, left.1 * promo_permille / 1_000);
                let row = later(order, OrderKind::RefundedDelivered, back.0, back.1, day);
                desk.orders.append(row);
                let gone = (order.paid_coins.get() - left.0, order.promo_coins.get() - left.1);
                add(&mut model, order.streamer_id, day_of(day), parts(gone.0 + back.0, gone.1 + back.1), -1);
                add(&mut model, order.streamer_id, day_of(day), parts(gone.0, gone.1), 1);
                *left = (left.0 - back.0, left.1 - back.1);
                coins_left -= back.0 + back.1;
            }
            Act::Fail { streamer, paid } => {
                let order = delivered(streamers[streamer], paid, 0, day);
                let refunding = desk.orders.append(Order { kind: OrderKind::Refunding, ..order });
                desk.orders.append(later(&refunding, OrderKind::ReturnedUndelivered, paid, 0, day));
            }
        }
        if at == half {
            desk.settle_all(noon(0)).await;
            desk.stop().await; // The history goes on after a restart.
            desk.running = Some(desk.start("a", desk.bus.clone()).await);
        }
    }
    desk.settle_all(noon(0)).await;
    let earnings = desk.earnings().await;
    assert_eq!(earnings.values().sum::<i64>(), coins_left * 100_000, "money was made or lost");
    assert_eq!(earnings, model);
    let items = desk.items().await;
    let settled = items.iter().filter(|item| item.kind == ItemKind::Settled).count();
    assert_eq!(settled, sent.len());
    for item in &items {
        let sum = item.streamer.get() + item.agency.get() + item.platform.get() + item.tax.get();
        assert_eq!(sum, item.gross_paid.get() + item.gross_promo.get());
    }
    desk.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn earnings_are_what_a_plain_map_says(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(run(acts));
    }
}

/// Few histories by default; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    if std::env::var_os("LARGESSE_TEST_LONG").is_some() { 300 } else { 6 }
}
