//! Invariant under test: payees' money is booked where it is, from the end of its hold to the bank, and what they owe
//! stands as a receivable.

use crate::database::{Bench, balances};
use crate::ledger::stamp;
use contracts::payout::{PayeeClass, PayeeMove, Payout, PayoutKind};
use ids::Uuid;
use std::collections::BTreeMap;

/// Minor units that move: released, available, requested, in flight, paid, withheld, receivable.
fn payout(kind: PayoutKind, payee: PayeeClass, moved: [i64; 7]) -> Payout {
    let [released, available, requested, in_flight, paid, withheld, receivable] = moved;
    Payout {
        stamp: stamp(0, 0),
        kind,
        payee,
        payee_id: Uuid::now_v7(),
        payee_seq: 1,
        moved: PayeeMove {
            released_minor: released,
            available_minor: available,
            requested_minor: requested,
            in_flight_minor: in_flight,
            paid_minor: paid,
            withheld_minor: withheld,
            receivable_minor: receivable,
        },
        reference: "test".to_owned(),
    }
}

/// Balances in minor units, debit less credit.
fn booked(balances: &BTreeMap<String, i64>) -> Vec<(&str, i64)> {
    balances.iter().map(|(account, micros)| (account.as_str(), micros / 1_000_000)).collect()
}

#[tokio::test]
async fn money_is_booked_where_it_is_on_its_way_to_the_bank() {
    use PayeeClass::{Agency, Streamer};
    use PayoutKind::{Cancelled, Paid, Rejected, Released, Requested, Submitted};
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    let mut applied = 0;
    let mut post = async |rows: &[Payout]| {
        for row in rows {
            bench.payouts.push(row.clone());
            applied += 1;
        }
        bench.until_applied(applied).await;
        balances(&running).await
    };
    let after = post(&[
        payout(Released, Streamer, [1_000, 1_000, 0, 0, 0, 0, 0]),
        payout(Released, Agency, [300, 300, 0, 0, 0, 0, 0]),
        payout(Requested, Streamer, [0, -900, 900, 0, 0, 0, 0]),
    ])
    .await;
    assert_eq!(booked(&after), [("2241.01", 1_000), ("2241.02", 300), ("2241.03", -1_300)]);
    let after = post(&[payout(Submitted, Streamer, [0, 0, -900, 870, 0, 30, 0])]).await;
    let in_flight =
        [("1012", -870), ("2221.12", -30), ("2241.01", 1_000), ("2241.02", 300), ("2241.03", -400)];
    assert_eq!(booked(&after), in_flight);
    // Half is paid; then refunds take back 500, of which 100 were available; then the other half comes back.
    let after = post(&[
        payout(Paid, Streamer, [0, 0, 0, -435, 435, 0, 0]),
        payout(Released, Streamer, [-500, -100, 0, 0, 0, 0, 400]),
        payout(Rejected, Streamer, [0, 50, 0, -435, 0, -15, -400]),
    ])
    .await;
    let ended = [("1002.01", -435), ("2221.12", -15), ("2241.01", 500), ("2241.02", 300), ("2241.03", -350)];
    assert_eq!(booked(&after), ended);
    // An agency that owes 70 gets 100, and cancels a request while it owes 40.
    let after = post(&[
        payout(Released, Agency, [-70, 0, 0, 0, 0, 0, 70]),
        payout(Released, Agency, [100, 30, 0, 0, 0, 0, -70]),
        payout(Released, Agency, [-40, 0, 0, 0, 0, 0, 40]),
        payout(Cancelled, Agency, [0, 20, -60, 0, 0, 0, -40]),
    ])
    .await;
    assert_eq!(
        booked(&after),
        [("1002.01", -435), ("2221.12", -15), ("2241.01", 500), ("2241.02", 290), ("2241.03", -340)]
    );
    running.shutdown().await;
}

#[tokio::test]
async fn a_move_that_loses_money_stops_its_partition() {
    let bench = Bench::open().await;
    let running = bench.start("a").await;
    bench.payouts.push(payout(PayoutKind::Released, PayeeClass::Streamer, [10, 9, 0, 0, 0, 0, 0]));
    let stopped = || async {
        let stops = running.status().into_iter().flat_map(|(_, status)| status.stopped);
        stops.map(|(_, reason)| reason).collect::<Vec<_>>()
            == ["a payout's parts do not sum to what was released"]
    };
    bench.until("the bad row is named", stopped).await;
    assert!(balances(&running).await.is_empty());
    running.shutdown().await;
}
