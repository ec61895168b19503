//! Stripe's reports (major units) and a warehouse's copies of its tables (minor units).

use crate::rig::{all_told, altered, read, refused, sample};
use bills::{BillError, Format, Proof, Unit};

#[test]
fn a_report_is_read_in_major_units_and_its_payout_takes_what_its_rows_brought() {
    let (bill, rows) = read(&sample("stripe-balance-report.csv")).expect("a good report");
    assert_eq!(bill.format, Format::StripeBalance);
    assert_eq!(
        all_told(&rows),
        [
            "2 payment 19350 591000000 USD 2021-03-09T15:56:02+0 txn_1 ORD-1 ch_1 - -",
            "3 refund -2000 0 USD 2021-03-10T10:00:00+0 txn_2 ORD-1 re_1 - -",
            "4 payout -16759 0 USD 2021-03-15T01:04:36+0 txn_3 - po_1 - -",
        ]
    );
    assert_eq!(bill.proofs.into_iter().collect::<Vec<_>>(), [Proof::GrossFeeNet, Proof::PayoutsToZero]);
    assert!(rows[1].raw.contains("\"says \"\"sorry\"\"\""), "{}", rows[1].raw);
}

#[test]
fn a_copy_of_the_table_is_read_in_minor_units() {
    let (bill, rows) = read(&sample("stripe-balance-copy.csv")).expect("a good copy");
    assert_eq!(
        all_told(&rows),
        [
            "2 payout -18759 0 USD 2021-03-15T01:04:36+0 txn_1 - po_1 pending -",
            "3 payment 19350 591000000 USD 2021-03-09T15:56:02+0 txn_2 - ch_1 pending -",
            "4 payment 3519960 137308000000 USD 2021-03-12T14:26:00+0 txn_3 - ch_2 pending -",
        ]
    );
    assert!(bill.proofs.contains(&Proof::PayoutsToZero));
}

#[test]
fn payouts_leave_the_balance_and_prove_nothing() {
    let (bill, rows) = read(&sample("stripe-payouts-copy.csv")).expect("a good copy");
    assert_eq!(bill.format, Format::StripePayouts);
    assert_eq!(
        all_told(&rows),
        [
            "2 payout -3029432 0 USD 2021-01-19T01:02:57+0 po_1 - - paid -",
            "3 payout 833651 0 USD 2021-01-27T01:02:15+0 po_2 - - in_transit -",
        ]
    );
    assert!(bill.proofs.is_empty(), "{:?}", bill.proofs);
}

#[test]
fn gross_less_fee_that_is_not_net_is_refused_and_so_is_a_payout_that_takes_too_much() {
    match refused(&altered("stripe-balance-report.csv", "193.50,5.91", "193.50,5.90")) {
        BillError::Totals(found) => {
            assert_eq!((found.stated, found.counted, found.unit), (18_759, 18_760, Unit::Minor));
            assert_eq!((found.place.line, found.place.column), (2, 9));
        }
        other => panic!("{other}"),
    }
    match refused(&altered("stripe-balance-report.csv", "-167.59,0.00,-167.59", "-167.60,0.00,-167.60")) {
        BillError::Totals(found) => {
            assert_eq!(
                (found.what.as_ref(), found.stated, found.counted),
                ("the payout po_1", 16_760, 16_759)
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_fraction_of_a_minor_unit_in_a_copy_is_not_taken_for_a_major_one() {
    let error = refused(&altered("stripe-balance-copy.csv", "19350,2021", "193.50,2021"));
    assert!(error.to_string().contains("line 3, column 3: amount is not a whole number"), "{error}");
}

#[test]
fn a_local_time_of_an_unknown_zone_is_given_its_day_only() {
    let bytes = altered("stripe-balance-report.csv", "created_utc", "created");
    let (_, rows) = read(&bytes).expect("a good report");
    assert!(all_told(&rows)[0].contains(" USD 2021-03-09 txn_1"), "{}", all_told(&rows)[0]);
}

#[test]
fn a_copy_in_a_currency_whose_units_stripe_counts_otherwise_is_refused() {
    let error = refused(&altered("stripe-balance-copy.csv", "usd,payout", "isk,payout"));
    assert!(error.to_string().contains("line 2, column 7: currency contradicts"), "{error}");
}
