//! Invariant under test: each fault made by hand in the tables is named, and nothing that it does not touch is.

use crate::by_hand::Books;

macro_rules! faults {
    ($($name:ident: $sql:literal => [$($invariant:literal),+];)*) => {$(
        #[tokio::test]
        async fn $name() {
            let books = Books::whole().await;
            books.run($sql).await;
            assert_eq!(books.failures().await, [$($invariant),+]);
        }
    )*};
}

faults! {
    a_reader_that_is_behind_is_named:
        "UPDATE settlement.read_offsets SET seq = 4"
        => ["readers-caught-up"];
    an_order_that_is_not_decided_is_named:
        "INSERT INTO gift.pending_orders VALUES (5, 12, '01900000-0000-7000-8000-0000000000ee', 1, 'a', now(), now(),
            false, '{}')"
        => ["readers-caught-up"];
    a_refusal_that_vanished_leaves_a_gap:
        "DELETE FROM wallet.entries WHERE seq = 9"
        => ["no-gap-in-wallet-entries", "every-balance-is-the-sum-of-its-entries"];
    an_entry_that_names_another_before_it_breaks_the_chain:
        "UPDATE wallet.entries SET previous_seq = 7 WHERE seq = 9"
        => ["every-balance-is-the-sum-of-its-entries"];
    a_doubled_row_is_named:
        "ALTER TABLE wallet.entries DROP CONSTRAINT entries_seq_follows;
         UPDATE wallet.entries SET seq = 8 WHERE seq = 9"
        => ["no-gap-in-wallet-entries", "every-balance-is-the-sum-of-its-entries"];
    a_head_past_its_rows_is_named:
        "UPDATE cashier.log_head_groups SET last_seqs[6] = 3; UPDATE clearing.read_offsets SET seq = 3
            WHERE reader = 'clearing.payments'; UPDATE wallet.read_offsets SET seq = 3"
        => ["no-gap-in-cashier-payments"];
    a_missing_voucher_leaves_a_gap_and_moves_its_accounts:
        "DELETE FROM clearing.vouchers WHERE seq = 8"
        => ["no-gap-in-clearing-vouchers", "trial-balance-equals-vouchers", "sums-by-rule-equal-vouchers"];
    coins_from_nowhere_are_not_conserved:
        "UPDATE wallet.entries SET paid_delta_coins = paid_delta_coins + 1 WHERE seq = 1"
        => ["paid-coins-are-conserved", "every-balance-is-the-sum-of-its-entries",
            "paid-coins-in-wallets-equal-2205-01"];
    promotional_coins_from_nowhere_are_not_conserved:
        "UPDATE wallet.entries SET promo_delta_coins = promo_delta_coins + 1 WHERE seq = 10"
        => ["promo-coins-are-conserved", "every-balance-is-the-sum-of-its-entries",
            "promo-coins-in-wallets-equal-2205-02"];
    a_balance_that_is_not_the_sum_of_its_entries_is_named:
        "UPDATE wallet.entries SET paid_after_coins = 901 WHERE seq = 4"
        => ["every-balance-is-the-sum-of-its-entries"];
    a_saved_balance_that_differs_is_named:
        "UPDATE wallet.accounts SET paid_coins = 801"
        => ["every-saved-balance-equals-its-entries"];
    a_saved_balance_among_kept_changes_that_differs_is_named:
        "UPDATE wallet.account_changes SET paid_coins = '{401}'"
        => ["every-saved-balance-equals-its-entries"];
    a_negative_balance_is_named:
        "ALTER TABLE wallet.entries DROP CONSTRAINT entries_balance_not_negative;
         UPDATE wallet.entries SET promo_after_coins = -1 WHERE seq = 9"
        => ["every-balance-is-the-sum-of-its-entries", "no-balance-is-negative"];
    a_debit_without_an_order_is_named:
        "DELETE FROM gift.orders WHERE seq = 2"
        => ["no-gap-in-gift-orders", "each-accepted-debit-has-one-order", "each-undelivered-order-came-back-whole",
            "entries-agree-with-orders"];
    a_debit_with_two_orders_is_named:
        "DROP INDEX gift.orders_end_once;
         INSERT INTO gift.orders SELECT partition, 6, epoch, decided_at, minute, day, origin_seq, order_id, kind,
            viewer_id, room_id, streamer_id, gift_id, quantity, paid_coins, promo_coins FROM gift.orders WHERE seq = 2;
         UPDATE gift.log_head_groups SET last_seqs[6] = 6; UPDATE settlement.read_offsets SET seq = 6"
        => ["each-accepted-debit-has-one-order", "each-undelivered-order-came-back-whole",
            "entries-agree-with-orders"];
    an_order_without_an_item_is_named:
        "UPDATE settlement.items SET order_id = '01900000-0000-7000-8000-0000000000ee' WHERE seq = 1"
        => ["each-delivered-order-has-one-item", "orders-agree-with-items"];
    a_refund_that_was_not_paid_is_named:
        "UPDATE wallet.entries SET origin_id = '01900000-0000-7000-8000-0000000000ee' WHERE seq = 4"
        => ["each-refund-has-one-order-row", "entries-agree-with-orders"];
    a_refunded_item_that_was_not_reversed_is_named:
        "UPDATE settlement.items SET order_id = '01900000-0000-7000-8000-0000000000ee' WHERE seq = 3"
        => ["each-refund-of-an-item-has-one-reversal", "orders-agree-with-items"];
    an_order_with_other_coins_is_named:
        "UPDATE gift.orders SET paid_coins = 199 WHERE seq = 2"
        => ["each-undelivered-order-came-back-whole", "entries-agree-with-orders"];
    an_item_with_other_coins_is_named:
        "UPDATE settlement.items SET promo_coins = 51 WHERE seq = 1"
        => ["orders-agree-with-items"];
    a_contract_that_was_changed_is_named:
        "UPDATE settlement.contracts SET streamer_ppm = 500000, platform_ppm = 400000 WHERE version = 2"
        => ["contracts-are-those-that-were-approved"];
    contracts_that_exchanged_their_days_are_named:
        "ALTER TABLE settlement.contracts DROP CONSTRAINT contracts_pkey;
         UPDATE settlement.contracts SET version = 3 - version"
        => ["contracts-are-those-that-were-approved"];
    a_contract_that_was_taken_away_is_named:
        "DELETE FROM settlement.contracts WHERE version = 2"
        => ["contracts-are-those-that-were-approved"];
    a_contract_that_came_in_past_everybody_is_named:
        "ALTER TABLE settlement.contracts DISABLE TRIGGER ALL;
         INSERT INTO settlement.contracts SELECT streamer_id, 3, valid_from + 1, agency_id, streamer_ppm, agency_ppm,
            platform_ppm, tax_ppm, promo, created_by, created_at, approved_by FROM settlement.contracts WHERE version = 2"
        => ["contracts-are-those-that-were-approved"];
    coins_that_are_worth_something_else_are_named:
        "UPDATE settlement.face_values SET micros_per_coin = 100001"
        => ["contracts-are-those-that-were-approved"];
    earnings_that_are_not_their_items_are_named:
        "UPDATE settlement.earnings SET share_micro = share_micro + 1 WHERE payee_kind = 3"
        => ["earnings-equal-items"];
    a_voucher_that_is_not_zero_is_named:
        "ALTER TABLE clearing.vouchers DROP CONSTRAINT vouchers_sum_to_zero;
         UPDATE clearing.vouchers SET debits = '{1000001,0}' WHERE seq = 8;
         UPDATE clearing.account_days SET debit_micro = debit_micro + 1 WHERE account = '2205.02'"
        => ["every-voucher-is-zero", "trial-balance-is-zero", "sums-by-rule-equal-vouchers",
            "promo-coins-in-wallets-equal-2205-02"];
    a_trial_balance_that_is_not_zero_is_named:
        "UPDATE clearing.account_days SET debit_micro = debit_micro + 1 WHERE account = '6401.01'"
        => ["trial-balance-is-zero", "trial-balance-equals-vouchers"];
    a_sum_by_rule_that_is_not_its_vouchers_is_named:
        "UPDATE clearing.rule_days SET credit_micro = credit_micro + 1 WHERE rule = 'wallet.refund' AND account = '2206'"
        => ["sums-by-rule-equal-vouchers"];
    a_payment_that_channels_do_not_owe_is_named:
        "UPDATE cashier.payments SET amount_minor = 101 WHERE seq = 1"
        => ["payments-of-channels-equal-1122"];
    streamers_who_are_owed_something_else_are_named:
        "UPDATE settlement.earnings SET share_micro = share_micro + 1 WHERE payee_kind = 1"
        => ["earnings-equal-items", "pending-of-streamers-equals-2241-01"];
    agencies_that_are_owed_something_else_are_named:
        "UPDATE settlement.earnings SET clawback_micro = clawback_micro - 1 WHERE payee_kind = 2"
        => ["earnings-equal-items", "pending-of-agencies-equals-2241-02"];
    tax_that_is_owed_differently_is_named:
        "UPDATE settlement.earnings SET share_micro = share_micro + 1 WHERE payee_kind = 4"
        => ["earnings-equal-items", "tax-of-settlement-equals-2221-01"];
    gifts_that_were_spent_and_not_settled_are_named:
        "UPDATE clearing.account_days SET credit_micro = credit_micro + 7 WHERE account = '2206';
         UPDATE clearing.account_days SET debit_micro = debit_micro + 7 WHERE account = '6001'"
        => ["trial-balance-equals-vouchers", "gift-clearing-2206-is-zero"];
    money_that_never_became_coins_is_named:
        "UPDATE clearing.account_days SET credit_micro = credit_micro + 7 WHERE account = '2207';
         UPDATE clearing.account_days SET debit_micro = debit_micro + 7 WHERE account = '6601'"
        => ["trial-balance-equals-vouchers", "recharge-clearing-2207-is-zero"];
    coins_taken_back_without_money_are_named:
        "UPDATE clearing.account_days SET credit_micro = credit_micro + 7 WHERE account = '2242';
         UPDATE clearing.account_days SET debit_micro = debit_micro + 7 WHERE account = '6601'"
        => ["trial-balance-equals-vouchers", "refund-clearing-2242-is-zero"];
    a_shortfall_that_nobody_booked_and_the_cashier_does_not_know_is_named:
        "UPDATE wallet.entries SET shortfall_coins = 5, decided_at = now() - interval '1 hour' WHERE seq = 8"
        => ["receivables-of-viewers-agree", "receivable-from-viewers-equals-1221"];
    a_debt_of_a_viewer_that_the_wallet_does_not_know_is_named:
        "INSERT INTO cashier.withdrawals (payment_id, account_id, coins, outcome, day, shortfall_coins, known_at)
            SELECT payment_id, account_id, 400, 'accepted', day, 1, now() FROM cashier.payments WHERE kind = 2"
        => ["receivables-of-viewers-agree"];
    a_repair_that_repairs_nothing_is_named:
        "INSERT INTO clearing.vouchers SELECT partition, 13, epoch, decided_at, minute, day, 1, 'clearing.repair',
            'clearing.vouchers', 1, 1, posted_day, 1, 0, '{2205.02,6601}', '{1000000,0}', '{0,1000000}'
            FROM clearing.vouchers WHERE seq = 1;
         UPDATE clearing.log_head_groups SET last_seqs[6] = 13;
         UPDATE clearing.account_days SET debit_micro = debit_micro + 1000000 WHERE account = '2205.02';
         UPDATE clearing.account_days SET credit_micro = credit_micro + 1000000 WHERE account = '6601'"
        => ["promo-coins-in-wallets-equal-2205-02"];
    a_move_that_waits_for_its_log_is_named:
        "INSERT INTO settlement.moves_due SELECT 1, partition, 2, payee_kind, payee_id, 4, 0, -1, 1, 0, 0, 0, 0, 'x'
            FROM settlement.payees; UPDATE settlement.payees SET last_seq = 4, available_minor = 1, requested_minor = 1"
        => ["readers-caught-up"];
    a_payee_who_has_more_than_moved_is_named:
        "ALTER TABLE settlement.payees DROP CONSTRAINT payees_lose_nothing;
         UPDATE settlement.payees SET available_minor = 3"
        => ["released-equals-statements", "payees-are-their-moves", "available-of-payees-equals-2241-03"];
    a_payout_that_is_not_at_the_bank_is_named:
        "UPDATE settlement.payees SET in_flight_minor = 0, paid_minor = 1"
        => ["payees-are-their-moves", "payouts-in-flight-equal-1012", "payouts-paid-equal-1002-01"];
    tax_that_was_withheld_and_kept_is_named:
        "UPDATE settlement.payees SET withheld_minor = 0, available_minor = 3"
        => ["payees-are-their-moves", "available-of-payees-equals-2241-03", "tax-withheld-equals-2221-12"];
    a_debt_that_nobody_booked_is_named:
        "UPDATE settlement.payees SET available_minor = 0, requested_minor = 3, receivable_minor = 1"
        => ["payees-are-their-moves", "available-of-payees-equals-2241-03",
            "receivable-from-payees-equals-1221-01"];
    a_statement_that_was_never_released_is_named:
        "UPDATE settlement.statements SET released_at = NULL"
        => ["released-equals-statements"];
    a_move_that_vanished_is_named:
        "DELETE FROM settlement.payouts WHERE seq = 2"
        => ["no-gap-in-settlement-payouts", "payees-are-their-moves"];
}

#[tokio::test]
async fn what_two_people_said_of_the_world_outside_stands_beside_the_sub_ledger() {
    let books = Books::whole().await;
    books
        .run(
            "INSERT INTO clearing.vouchers SELECT partition, 13, epoch, decided_at, minute, day, 1, 'clearing.adjust',
                'clearing.vouchers', 1, 1, posted_day, 1, 0, '{2205.02,6601}', '{1000000,0}', '{0,1000000}'
                FROM clearing.vouchers WHERE seq = 1;
             UPDATE clearing.log_head_groups SET last_seqs[6] = 13;
             UPDATE clearing.account_days SET debit_micro = debit_micro + 1000000 WHERE account = '2205.02';
             UPDATE clearing.account_days SET credit_micro = credit_micro + 1000000 WHERE account = '6601'",
        )
        .await;
    assert_eq!(books.failures().await, Vec::<String>::new());
    let report = books.check().await;
    let line = report.invariants.iter().find(|line| line.name == "promo-coins-in-wallets-equal-2205-02");
    assert!(line.is_some_and(|line| line.figure.ends_with("adjusted by -1000000")), "{line:?}");
}

#[tokio::test]
async fn what_channels_paid_is_in_the_books_as_reconciliation_matched_it() {
    let books = Books::whole().await;
    books.migrate("recon").await;
    let name = "channel-settlements-equal-their-vouchers".to_owned();
    let is_named = async || books.failures().await.contains(&name);
    assert!(!is_named().await, "nothing was matched, and nothing posted");
    books
        .run(
            "INSERT INTO clearing.adjustments (request_id, body_hash, partition, match_id, rule, day, reason, accounts,
                debits, credits, voucher_seq, posted_day)
                VALUES ('01900000-0000-7000-8000-0000000000aa', 0, 5, '01900000-0000-7000-8000-0000000000bb',
                'clearing.channel_settlement', '2026-03-01', 'x', '{1002.01,6401.02,1122}', '{4000000,1000000,0}',
                '{0,0,5000000}', 13, '2026-03-01');
             INSERT INTO clearing.vouchers SELECT partition, 13, epoch, decided_at, minute, day, 1,
                'clearing.channel_settlement', 'clearing.vouchers', 1, 1, posted_day, 1, 0, '{1002.01,6401.02,1122}',
                '{4000000,1000000,0}', '{0,0,5000000}' FROM clearing.vouchers WHERE seq = 1",
        )
        .await;
    assert!(is_named().await, "a voucher without its match");
    books
        .run(
            "INSERT INTO recon.channel_settlements (match_id, turn, channel, run_day, day, gross_minor, net_minor,
                currency, payments, request_id) VALUES ('01900000-0000-7000-8000-0000000000bb', 1, 'sandbox',
                '2026-03-01', '2026-03-01', 5, 4, 'CNY', 1, '01900000-0000-7000-8000-0000000000aa')",
        )
        .await;
    assert!(!is_named().await, "its answer is not known yet");
    books
        .run(
            "UPDATE recon.channel_settlements SET partition = 5, voucher_seq = 13, posted_day = '2026-03-01';
             UPDATE clearing.log_head_groups SET last_seqs[6] = 13;
             INSERT INTO clearing.account_days (posted_day, account, part_group, debit_micro, credit_micro)
                VALUES ('2026-03-01', '1002.01', 0, 4000000, 0), ('2026-03-01', '6401.02', 0, 1000000, 0)
                ON CONFLICT (posted_day, account, part_group) DO UPDATE SET debit_micro = account_days.debit_micro + EXCLUDED.debit_micro;
             UPDATE clearing.account_days SET credit_micro = credit_micro + 5000000 WHERE account = '1122'",
        )
        .await;
    assert!(!is_named().await);
    let failed = books.failures().await;
    let control = |name: &String| name.ends_with("-1122") || name.ends_with("-1002-01");
    assert!(!failed.iter().any(control), "they stand beside what payments and payouts say: {failed:?}");
    for (damage, mend) in [
        (
            "UPDATE clearing.vouchers SET debits[1] = 3000000, debits[2] = 2000000 WHERE seq = 13",
            "UPDATE clearing.vouchers SET debits[1] = 4000000, debits[2] = 1000000 WHERE seq = 13",
        ),
        (
            "UPDATE clearing.adjustments SET voucher_seq = 12 WHERE voucher_seq = 13",
            "UPDATE clearing.adjustments SET voucher_seq = 13 WHERE voucher_seq = 12",
        ),
        (
            "UPDATE clearing.vouchers SET rule = 'clearing.adjust' WHERE seq = 13",
            "UPDATE clearing.vouchers SET rule = 'clearing.channel_settlement' WHERE seq = 13",
        ),
    ] {
        books.run("ALTER TABLE clearing.vouchers DISABLE TRIGGER USER").await;
        books.run(damage).await;
        assert!(is_named().await, "{damage}");
        books.run(mend).await;
        assert!(!is_named().await, "{mend}");
    }
}
