-- Settlement's past: statements of every payee and day, what they were earned by, and payouts once a week. And the items
-- of one partition: those that a voucher or a break of the measured pages opens.
-- Reads `past` (bench/pages/past.rs).

INSERT INTO settlement.items (partition, seq, epoch, decided_at, minute, day, origin_seq, order_id, kind, streamer_id,
    contract_version, paid_coins, promo_coins, gross_paid, gross_promo, streamer, agency, platform, tax)
SELECT partition, seq, 1, decided_at, minute, day, seq, order_id, 1, streamer_id, -1, paid_coins, 0,
    paid_coins * 100000, 0, paid_coins * 50000, 0, paid_coins * 44340, paid_coins * 5660
FROM gift.orders ORDER BY partition, seq;

CREATE TEMP VIEW payee AS
SELECT 1::smallint AS payee_kind, pg_temp.id(10, n) AS payee_id, n FROM past, generate_series(1, streamers) AS n
UNION ALL
SELECT 2, pg_temp.id(11, n), n FROM past, generate_series(1, streamers / 20) AS n;

INSERT INTO settlement.statements (payee_kind, payee_id, day, gross_micro, share_micro, clawback_micro, settled_count,
    reversed_count, carry_in_micro, payable_minor, carry_out_micro, released_at)
SELECT p.payee_kind, p.payee_id, today - back, 2000::bigint * (p.n * 1000 + back),
    1000::bigint * (p.n * 1000 + back), 0, 100, 1, 0, p.n, 1000 * back, now()
FROM past, generate_series(days, 1, -1) AS back, payee AS p;

INSERT INTO settlement.finalised_days (day, statements)
SELECT day, count(*) FROM settlement.statements GROUP BY day;

INSERT INTO settlement.earnings (payee_kind, payee_id, day, partition, gross_micro, share_micro, clawback_micro,
    settled_count, reversed_count, streamer_id, contract_version)
SELECT p.payee_kind, p.payee_id, today - back, part, 2000 * p.n, 1000 * p.n, 0, 2, 0, pg_temp.id(10, p.n), -1
FROM past, generate_series(earning_days, 1, -1) AS back, payee AS p, generate_series(0, 63) AS part;

INSERT INTO settlement.payees (payee_kind, payee_id, partition, released_minor, available_minor, paid_minor)
SELECT payee_kind, payee_id, n % 64, n * 100, n * 40, n * 60 FROM payee;

-- Where the money goes, and the newest fifty that wait for another person.
INSERT INTO settlement.payee_accounts (account_id, payee_kind, payee_id, holder, account_no, bank_code, created_by,
    approved_by, approved_at)
SELECT pg_temp.id(11 + payee_kind, n), payee_kind, payee_id, 'Payee ' || n, lpad(n::text, 16, '6'), '102100099996', 'mia',
    'ced', now()
FROM payee;
INSERT INTO settlement.payee_accounts (account_id, payee_kind, payee_id, holder, account_no, bank_code, created_by)
SELECT pg_temp.id(14, n), 1, payee_id, 'Payee ' || n, lpad(n::text, 16, '7'), '102100099996', 'mia'
FROM payee WHERE payee_kind = 1 AND n <= 50;

-- Weekly batches that the bank has paid, each with as many lines as one may have, and one that waits.
INSERT INTO settlement.payout_batches (batch_id, state, day, currency, line_count, gross_minor, tax_minor, net_minor,
    lines_hash, built_by, built_at, approved_by, approved_at, submitted_by, submitted_at)
SELECT pg_temp.id(15, week), CASE WHEN week = weeks THEN 1 ELSE 4 END, today - (weeks - week) * 7, 'CNY', streamers,
    streamers * 10000::bigint, 0, streamers * 10000::bigint, repeat('ab', 32), 'mia', now(),
    CASE WHEN week < weeks THEN 'ced' END, CASE WHEN week < weeks THEN now() END,
    CASE WHEN week < weeks THEN 'mia' END, CASE WHEN week < weeks THEN now() END
FROM past, generate_series(1, weeks) AS week;
INSERT INTO settlement.payout_requests (request_id, payee_kind, payee_id, amount_minor, state, batch_id, requested_by)
SELECT pg_temp.id(16, week * 1000000 + n), 1, payee_id, 10000, 2, pg_temp.id(15, week), 'mia'
FROM past, generate_series(1, weeks) AS week, payee WHERE payee_kind = 1;
INSERT INTO settlement.payout_requests (request_id, payee_kind, payee_id, amount_minor, requested_by)
SELECT pg_temp.id(17, n), 1, payee_id, 10000, 'mia' FROM payee WHERE payee_kind = 1 AND n % 10 = 0;
INSERT INTO settlement.payout_lines (batch_id, line, line_id, state, payee_kind, payee_id, gross_minor, tax_minor,
    net_minor, rule_id, account_id, ended_at)
SELECT pg_temp.id(15, week), n, pg_temp.id(18, week * 1000000 + n), CASE WHEN week < weeks THEN 3 ELSE 1 END, 1, payee_id,
    10000, 0, 10000, 1, pg_temp.id(12, n), CASE WHEN week < weeks THEN now() END
FROM past, generate_series(1, weeks) AS week, payee WHERE payee_kind = 1;

-- Files of contracts: the newest five wait.
INSERT INTO settlement.contract_imports (import_id, state, created_by, decided_by, decided_at)
SELECT pg_temp.id(19, n), CASE WHEN n > 195 THEN 1 ELSE 2 END, 'mia', CASE WHEN n <= 195 THEN 'ced' END,
    CASE WHEN n <= 195 THEN now() END
FROM generate_series(1, 200) AS n;
INSERT INTO settlement.contract_drafts (import_id, line, is_open, streamer_id, valid_from, streamer_ppm, agency_ppm,
    platform_ppm, tax_ppm, promo)
SELECT pg_temp.id(19, n), line, n > 195, pg_temp.id(10, n * 100 + line), today, 500000, 0, 500000, 60000, 1
FROM past, generate_series(1, 200) AS n, generate_series(1, 100) AS line;
