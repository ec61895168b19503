-- One account's day, in partition 5, in every schema: a recharge, a gift that is shown, one that is not, one that
-- is refunded later, a hold, money taken back, a refusal, and promotional coins that run out.

CREATE TABLE wallet.entries_all PARTITION OF wallet.entries DEFAULT;

CREATE FUNCTION pg_temp.put_head(service text, log text, last_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.log_head_groups VALUES ($1, 0, $2, array_fill(''a''::text, ''{8}''),
        array_fill(now(), ''{8}''), array_fill(0::bigint, ''{8}''), $3, now())', service)
        USING log, '{0,0,0,0,0,1,0,0}'::bigint[], ARRAY[0, 0, 0, 0, 0, last_seq, 0, 0];
END $$;
SELECT pg_temp.put_head('wallet', 'wallet.entries', 11);
SELECT pg_temp.put_head('gift', 'gift.orders', 5);
SELECT pg_temp.put_head('settlement', 'settlement.items', 3);
SELECT pg_temp.put_head('cashier', 'cashier.payments', 2);
SELECT pg_temp.put_head('clearing', 'clearing.vouchers', 9);
INSERT INTO wallet.read_offsets VALUES ('wallet', 'cashier.payments', 5, 1, 2);
INSERT INTO gift.read_offsets VALUES ('gift.orders', 'wallet.entries', 5, 1, 11);
INSERT INTO settlement.read_offsets VALUES ('settlement.items', 'gift.orders', 5, 1, 5);
INSERT INTO clearing.read_offsets VALUES ('clearing.entries', 'wallet.entries', 5, 1, 11),
    ('clearing.items', 'settlement.items', 5, 1, 3), ('clearing.payments', 'cashier.payments', 5, 1, 2);

-- Ids: orders end in 0a (shown), 0b (not shown), 0c (shown, refunded).
INSERT INTO wallet.entries (partition, seq, epoch, decided_at, day, request_id, account_id, previous_seq, kind,
    outcome, paid_delta_coins, promo_delta_coins, held_paid_delta_coins, held_promo_delta_coins, paid_after_coins,
    promo_after_coins, held_paid_after_coins, held_promo_after_coins, shortfall_coins, origin_id, body_hash)
SELECT 5, seq, 1, now(), '2026-03-01', ('01900000-0000-7000-8000-0000000000' || request)::uuid,
    '01900000-0000-7000-8000-00000000aaaa', seq - 1, kind, outcome, paid, promo, held, 0, paid_after, promo_after, held_after,
    0, 0, ('01900000-0000-7000-8000-0000000000' || origin)::uuid, 0
FROM (VALUES
    (1, '01', 1, 0, 1000, 50, 0, 1000, 50, 0, NULL),
    (2, '0a', 4, 0, -100, -50, 0, 900, 0, 0, NULL),
    (3, '0b', 4, 0, -200, 0, 0, 700, 0, 0, NULL),
    (4, '04', 9, 0, 200, 0, 0, 900, 0, 0, '0b'),
    (5, '0c', 4, 0, -300, 0, 0, 600, 0, 0, NULL),
    (6, '06', 9, 0, 300, 0, 0, 900, 0, 0, '0c'),
    (7, '07', 5, 0, -100, 0, 100, 800, 0, 100, NULL),
    (8, '08', 10, 0, -400, 0, 0, 400, 0, 100, '01'),
    (9, '09', 4, 1, 0, 0, 0, 400, 0, 100, NULL),
    (10, '10', 2, 0, 0, 10, 0, 400, 10, 100, NULL),
    (11, '11', 11, 0, 0, -10, 0, 400, 0, 100, NULL)
) AS e (seq, request, kind, outcome, paid, promo, held, paid_after, promo_after, held_after, origin);

INSERT INTO wallet.accounts (account_id, partition, paid_coins, promo_coins, held_paid_coins, held_promo_coins, holds,
    frozen, spent_coins, as_of_seq)
VALUES ('01900000-0000-7000-8000-00000000aaaa', 5, 800, 0, 100, 0, '[]', false, 0, 7);

INSERT INTO wallet.account_changes (partition, from_seq, as_of_seq, account_ids, paid_coins, promo_coins,
    held_paid_coins, held_promo_coins, frozen, spend_days, spent_coins, as_of_seqs, holds)
VALUES (5, 7, 10, '{01900000-0000-7000-8000-00000000aaaa}', '{400}', '{10}', '{100}', '{0}', '{f}', '{NULL}', '{0}', '{10}',
    '{}');

INSERT INTO gift.orders (partition, seq, epoch, decided_at, minute, day, origin_seq, order_id, kind, viewer_id, room_id,
    streamer_id, gift_id, quantity, paid_coins, promo_coins)
SELECT 5, seq, 1, now(), 1, '2026-03-01', origin, ('01900000-0000-7000-8000-0000000000' || id)::uuid, kind,
    '01900000-0000-7000-8000-00000000aaaa', '01900000-0000-7000-8000-00000000bbbb',
    '01900000-0000-7000-8000-00000000cccc', 1, 1, paid, promo
FROM (VALUES (1, 2, '0a', 1, 100, 50), (2, 3, '0b', 2, 200, 0), (3, 4, '0b', 3, 200, 0), (4, 5, '0c', 1, 300, 0),
    (5, 6, '0c', 4, 300, 0)) AS o (seq, origin, id, kind, paid, promo);

INSERT INTO settlement.contracts (streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm,
    tax_ppm, promo, created_by, approved_by)
SELECT '01900000-0000-7000-8000-00000000cccc', version, begins, '01900000-0000-7000-8000-00000000dddd', 400000, 100000,
    500000, 60000, 1, 'ann', 'bob'
FROM (VALUES (1, DATE '2026-03-01'), (2, '2026-03-02')) AS c (version, begins);

INSERT INTO settlement.items (partition, seq, epoch, decided_at, minute, day, origin_seq, order_id, kind, streamer_id,
    agency_id, contract_version, paid_coins, promo_coins, gross_paid, gross_promo, streamer, agency, platform, tax)
SELECT 5, seq, 1, now(), 1, '2026-03-01', origin, ('01900000-0000-7000-8000-0000000000' || id)::uuid, kind,
    '01900000-0000-7000-8000-00000000cccc', '01900000-0000-7000-8000-00000000dddd', 1, paid, promo, gross_paid,
    gross_promo, streamer, agency, platform, tax
FROM (VALUES
    (1, 1, '0a', 1, 100, 50, 10000000, 5000000, 4000000, 1000000, 9400000, 600000),
    (2, 4, '0c', 1, 300, 0, 30000000, 0, 12000000, 3000000, 13200000, 1800000),
    (3, 5, '0c', 2, 300, 0, -30000000, 0, -12000000, -3000000, -13200000, -1800000)
) AS i (seq, origin, id, kind, paid, promo, gross_paid, gross_promo, streamer, agency, platform, tax);

INSERT INTO settlement.earnings (payee_kind, payee_id, day, partition, gross_micro, share_micro, clawback_micro,
    settled_count, reversed_count)
SELECT payee, '01900000-0000-7000-8000-00000000cccc', '2026-03-01', 5, 15000000, share, clawback, 2, 1
FROM (VALUES (1, 16000000, -12000000), (2, 4000000, -3000000), (3, 22600000, -13200000), (4, 2400000, -1800000))
    AS e (payee, share, clawback);

INSERT INTO cashier.payments (partition, seq, epoch, decided_at, minute, day, origin_seq, payment_id, kind, account_id,
    channel, channel_payment_id, refunds, amount_minor, currency, paid_coins, promo_coins, paid_at)
VALUES
    (5, 1, 1, now(), 1, '2026-03-01', 0, '01900000-0000-7000-8000-0000000000f1', 1,
        '01900000-0000-7000-8000-00000000aaaa', 'sandbox', 'p1', NULL, 100, 'CNY', 1000, 50, now()),
    (5, 2, 1, now(), 1, '2026-03-01', 0, '01900000-0000-7000-8000-0000000000f2', 2,
        '01900000-0000-7000-8000-00000000aaaa', 'sandbox', 'p2', '01900000-0000-7000-8000-0000000000f1', 40, 'CNY',
        400, 0, now());

INSERT INTO clearing.policies (version, policy) VALUES (1, '{}');
INSERT INTO clearing.face_values VALUES (1, '1970-01-01', 100000);
INSERT INTO clearing.periods (day) VALUES ('2026-03-01');
INSERT INTO clearing.vouchers (partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source, from_seq,
    to_seq, posted_day, row_count, coins, accounts, debits, credits)
SELECT 5, seq, 1, now(), 1, '2026-03-01', upto, rule, source, 1, upto, '2026-03-01', 1, 0, accounts::text[],
    debits::bigint[], credits::bigint[]
FROM (VALUES
    (1, 'cashier.recharge', 'cashier.payments', 2, '{1122,2207}', '{100000000,0}', '{0,100000000}'),
    (2, 'cashier.channel_refund', 'cashier.payments', 2, '{2242,1122}', '{40000000,0}', '{0,40000000}'),
    (3, 'wallet.recharge', 'wallet.entries', 11, '{2207,6601,2205.01,2205.02}', '{100000000,5000000,0,0}',
        '{0,0,100000000,5000000}'),
    (4, 'wallet.grant', 'wallet.entries', 11, '{6601,2205.02}', '{1000000,0}', '{0,1000000}'),
    (5, 'wallet.spend', 'wallet.entries', 11, '{2205.01,2205.02,2206}', '{60000000,5000000,0}', '{0,0,65000000}'),
    (6, 'wallet.refund', 'wallet.entries', 11, '{2206,2205.01}', '{50000000,0}', '{0,50000000}'),
    (7, 'wallet.withdraw', 'wallet.entries', 11, '{2205.01,2242}', '{40000000,0}', '{0,40000000}'),
    (8, 'wallet.expire', 'wallet.entries', 11, '{2205.02,6601}', '{1000000,0}', '{0,1000000}'),
    (9, 'settlement.settle', 'settlement.items', 3,
        '{2206,2221.01,6001,6601,6401.01,2241.01,2241.02}',
        '{45000000,0,0,0,20000000,0,0}', '{0,2400000,37600000,5000000,0,16000000,4000000}'),
    (10, 'settlement.reverse', 'settlement.items', 3, '{2206,2221.01,6001,6401.01,2241.01,2241.02}',
        '{0,1800000,28200000,0,12000000,3000000}', '{30000000,0,0,15000000,0,0}')
) AS v (seq, rule, source, upto, accounts, debits, credits);
UPDATE clearing.log_head_groups SET last_seqs[6] = 10;

INSERT INTO clearing.account_days (posted_day, account, part_group, debit_micro, credit_micro)
SELECT v.posted_day, l.account, v.partition / 8, sum(l.debit), sum(l.credit)
FROM clearing.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
GROUP BY v.posted_day, l.account, v.partition / 8;

-- The streamer's statement is out of its hold: of 4 minor units 2 were asked for and are at the bank, 1 of them tax.
SELECT pg_temp.put_head('settlement', 'settlement.payouts', 3);
INSERT INTO settlement.statements (payee_kind, payee_id, day, gross_micro, share_micro, clawback_micro, settled_count,
    reversed_count, carry_in_micro, payable_minor, carry_out_micro, released_at)
VALUES (1, '01900000-0000-7000-8000-00000000cccc', '2026-03-01', 15000000, 16000000, -12000000, 2, 1, 0, 4, 0, now());
INSERT INTO settlement.payees (payee_kind, payee_id, partition, last_seq, released_minor, available_minor,
    in_flight_minor, withheld_minor)
VALUES (1, '01900000-0000-7000-8000-00000000cccc', 5, 3, 4, 2, 1, 1);
INSERT INTO settlement.payouts (partition, seq, epoch, decided_at, minute, day, origin_seq, kind, payee_kind, payee_id,
    payee_seq, released_minor, available_minor, requested_minor, in_flight_minor, paid_minor, withheld_minor,
    receivable_minor, reference)
SELECT 5, seq, 1, now(), 1, '2026-03-01', 0, kind, 1, '01900000-0000-7000-8000-00000000cccc', seq, released, available,
    requested, in_flight, 0, withheld, 0, 'by hand'
FROM (VALUES (1, 1, 4, 4, 0, 0, 0), (2, 2, 0, -2, 2, 0, 0), (3, 4, 0, 0, -2, 1, 1))
    AS p (seq, kind, released, available, requested, in_flight, withheld);
INSERT INTO clearing.read_offsets VALUES ('clearing.payouts', 'settlement.payouts', 5, 1, 3);
INSERT INTO clearing.vouchers (partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source, from_seq,
    to_seq, posted_day, row_count, coins, accounts, debits, credits)
VALUES
    (5, 11, 1, now(), 1, '2026-03-01', 3, 'settlement.release', 'settlement.payouts', 1, 3, '2026-03-01', 1, 0,
        '{2241.01,2241.03}', '{4000000,0}', '{0,4000000}'),
    (5, 12, 1, now(), 1, '2026-03-01', 3, 'settlement.payout', 'settlement.payouts', 1, 3, '2026-03-01', 1, 0,
        '{2241.03,1012,2221.12}', '{2000000,0,0}', '{0,1000000,1000000}');
UPDATE clearing.log_head_groups SET last_seqs[6] = 12;
INSERT INTO clearing.account_days (posted_day, account, part_group, debit_micro, credit_micro)
SELECT v.posted_day, l.account, v.partition / 8, sum(l.debit), sum(l.credit)
FROM clearing.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
WHERE v.seq > 10 GROUP BY v.posted_day, l.account, v.partition / 8
ON CONFLICT (posted_day, account, part_group) DO UPDATE SET
    debit_micro = clearing.account_days.debit_micro + excluded.debit_micro,
    credit_micro = clearing.account_days.credit_micro + excluded.credit_micro;
