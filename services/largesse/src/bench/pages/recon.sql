-- Recon's past: breaks that are worked on and as many that are closed, payments and what they were matched with, files,
-- and two runs of every day with their reports.
-- Reads `past` and the orders of one partition (bench/pages/past.rs, gift.sql).

-- Found by daily runs, one after the other; as bad as their age makes them, so that nothing grows worse meanwhile.
CREATE TEMP TABLE found AS
SELECT n, made.at AS detected_at, hours, CASE
        WHEN n % 2 = 0 THEN 7
        ELSE (ARRAY[1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 8])[1 + n / 2 % 20]
    END::smallint AS state,
    CASE WHEN hours >= 120 THEN 4 WHEN hours >= 72 THEN 3 WHEN hours >= 24 THEN 2 ELSE 1 END::smallint AS severity,
    (ARRAY['missing_item', 'amount_mismatch', 'missing_voucher', 'short_money', 'balance_mismatch'])[1 + n / 2 % 5]
        AS kind,
    (ARRAY['orders_items', 'entries_orders', 'wallet.entries', 'channel.one', 'wallet.entries'])[1 + n / 2 % 5] AS logs,
    1 + n % greatest((SELECT max(seq) FROM gift.orders), 1) AS order_seq
FROM past, generate_series(1, breaks * 2) AS n,
    LATERAL (SELECT (breaks * 2 - n) * days * 24 / (breaks * 2) AS hours) h,
    LATERAL (SELECT now() - interval '1 second' * ((breaks * 2 - n)::bigint * days * 86400 / (breaks * 2)))
        AS made (at);

INSERT INTO recon.breaks (break_id, fact_key, kind, logs, partition, order_id, coins, state, evidence, detected_at,
    version, severity, due_at, assignee_id, waits_until, closed_at, closed_why, day)
SELECT pg_temp.id(30, n), 'seeded/' || n, f.kind, f.logs,
    CASE WHEN o.order_id IS NULL THEN n % 64 ELSE p.opened_partition END, o.order_id, 1 + n % 900, f.state,
    jsonb_build_object('day', f.detected_at::date) || CASE f.kind
        WHEN 'missing_item' THEN jsonb_build_object('before', jsonb_build_object('seq', o.seq, 'paid_coins', 1))
        WHEN 'amount_mismatch' THEN jsonb_build_object(
            'before', jsonb_build_object('seq', o.origin_seq, 'paid_coins', 2),
            'after', jsonb_build_object('seq', o.seq, 'paid_coins', 1))
        WHEN 'short_money' THEN jsonb_build_object('amount_minor', 600, 'why', 'no row has its number',
            'ours', jsonb_build_array(jsonb_build_object('payment_id', pg_temp.id(40, n))), 'theirs', '[]'::jsonb)
        ELSE jsonb_build_object('rows', jsonb_build_object('count', 2, 'coins', 7), 'vouchers',
            jsonb_build_object('count', 1, 'coins', 6))
    END,
    f.detected_at, (ARRAY[1, 2, 3, 4, 0, 0, 3, 6])[f.state], f.severity,
    f.detected_at + interval '1 hour' * (ARRAY[168, 120, 72, 24])[f.severity],
    CASE WHEN f.state IN (3, 4, 8) THEN pg_temp.id(1, 1 + n % 7) END,
    CASE WHEN f.state = 8 THEN now() + interval '9 days' END,
    CASE WHEN f.state = 7 THEN f.detected_at + interval '1 hour' END, CASE WHEN f.state = 7 THEN 1 END,
    f.detected_at::date
FROM past p, found f LEFT JOIN gift.orders o ON f.kind IN ('missing_item', 'amount_mismatch') AND o.seq = f.order_seq
ORDER BY n;

INSERT INTO recon.proposals (proposal_id, break_id, maker_id, action, parameters, reason, digest, proposed_at, decision,
    checker_id, decided_digest, decided_at)
SELECT pg_temp.id(31, n), pg_temp.id(30, n), pg_temp.id(1, 1 + n % 7),
    CASE state WHEN 8 THEN 'wait' ELSE 'write_off' END,
    CASE state WHEN 8 THEN jsonb_build_object('action', 'wait', 'days', 9)
        ELSE jsonb_build_object('action', 'write_off', 'coins', 1 + n % 900) END,
    'too small to look for', sha256(n::text::bytea), detected_at, CASE WHEN state = 8 THEN 1 END,
    CASE WHEN state = 8 THEN pg_temp.id(1, 9) END, CASE WHEN state = 8 THEN sha256(n::text::bytea) END,
    CASE WHEN state = 8 THEN detected_at END
FROM found WHERE state IN (4, 8);

-- One payment for each account, through three channels, up to today.
INSERT INTO recon.payment_lines (payment_id, partition, seq, day, paid_day, channel, channel_payment_id, account_id,
    amount_minor, currency, paid_coins, promo_coins)
SELECT pg_temp.id(40, n), n % 64, n / 64 + 1, day, day, (ARRAY['one', 'two', 'three'])[1 + n % 3], 'T' || n,
    pg_temp.id(41, n), 600, 'CNY', 6000, 0
FROM past, generate_series(1, payments) AS n,
    LATERAL (SELECT today - days + (n * (days + 1) / (payments + 1))::integer) AS at (day);

INSERT INTO recon.bills (bill_id, sha256, scope, channel, format, state, period_from, period_to, row_count, byte_count,
    totals, proofs, accounts, claimed_by, imported_at)
SELECT pg_temp.id(42, back * 4 + file), sha256((back * 4 + file)::text::bytea), CASE WHEN file = 4 THEN 2 ELSE 1 END,
    (ARRAY['one', 'two', 'three', 'bank'])[file], 'csv', 2, today - back, today - back, payments / (days * 3),
    payments / (days * 3) * 200, '{"CNY": {"rows": 7, "in_minor": 4200, "out_minor": 0, "fee_micro": 0}}', '[]', '[]',
    pg_temp.id(1, 1), now()
FROM past, generate_series(days, 1, -1) AS back, generate_series(1, 4) AS file;

-- Every payment of a day that is over was matched with a row of its bill, by its number. The rows themselves are here for
-- yesterday only: they are opened one by one, by their key.
INSERT INTO recon.matches (match_id, scope, channel, day, pass, rules_version, variance_minor, amount_minor, currency)
SELECT pg_temp.id(43, ('x' || right(payment_id::text, 12))::bit(48)::bigint), 1, channel, day, 'exact', 1, 0,
    amount_minor, currency
FROM recon.payment_lines, past WHERE day < today;
INSERT INTO recon.matched_rows (scope, side, row_id, match_id)
SELECT 1, side, CASE side WHEN 1 THEN payment_id::text
    ELSE pg_temp.id(42, (today - day) * 4 + array_position(ARRAY['one', 'two', 'three'], channel)) || ':' || n END,
    pg_temp.id(43, n)
FROM past, recon.payment_lines, LATERAL (SELECT ('x' || right(payment_id::text, 12))::bit(48)::bigint) AS of (n),
    generate_series(1, 2) AS side
WHERE day < today;
INSERT INTO recon.bill_rows (bill_id, row_no, scope, channel, day, line, kind, account, channel_ref, status, amount_minor,
    fee_micro, currency, raw)
SELECT pg_temp.id(42, 4 + array_position(ARRAY['one', 'two', 'three'], channel)), n, 1, channel, day, n, 'payment', 'ours',
    channel_payment_id, 'success', amount_minor, 0, currency, channel_payment_id || ',6.00'
FROM past, recon.payment_lines, LATERAL (SELECT ('x' || right(payment_id::text, 12))::bit(48)::bigint) AS of (n)
WHERE day = today - 1;

INSERT INTO recon.payout_lines (payout_id, line_id, outcome, partition, seq, day, payee_id, amount_minor, currency)
SELECT line_id::text || '/paid', line_id, 1, line % 64, row_number() OVER (), b.day, l.payee_id, -l.net_minor, 'CNY'
FROM settlement.payout_lines l JOIN settlement.payout_batches b USING (batch_id) WHERE l.state = 3;

-- Two runs of each day, today among them. What a run found is in its steps and in its report.
CREATE TEMP TABLE finding AS
SELECT detected_at::date AS day, (n % 64)::integer AS partition,
    jsonb_build_object('kind', kind, 'fact', 'seeded/' || n, 'coins', 1 + n % 900, 'evidence', '{}'::jsonb) AS line
FROM found;
CREATE INDEX ON finding (day, partition);
ANALYZE finding;
INSERT INTO recon.recon_runs (run_id, day, state, requested_by, requested_at, started_at, ended_at, report, report_sha256)
SELECT pg_temp.id(44, (days - back) * 2 + run), today - back, 3, 'recon', now(), now(), now(), text, sha256(text::bytea)
FROM past, generate_series(days, 0, -1) AS back, generate_series(1, 2) AS run, LATERAL (
    SELECT 'Daily reconciliation of ' || today - back || E'\nThe whole day.\nrun ' || run || E'\n'
        || (SELECT string_agg(format('pair %s partition %s matched 20000 before 20000 after 20000', pair, part), E'\n')
            FROM unnest(ARRAY['entries_orders', 'orders_items']) AS pair, generate_series(0, 63) AS part)
        || coalesce((SELECT E'\n' || string_agg('finding ' || line::text, E'\n') FROM finding f WHERE f.day = today - back), '')
) AS said (text);
INSERT INTO recon.run_steps (run_id, step_no, kind, partition, state, rows_done, result, ended_at)
SELECT r.run_id, part + 1, 'logs', part, 2, 60000, jsonb_build_object('partition', part, 'is_whole', true,
    'rows', '{"wallet.entries": 20000, "gift.orders": 20000, "settlement.items": 20000}'::jsonb,
    'pairs', '{"entries_orders": {"matched": 20000, "before": "20000", "after": "20000"}}'::jsonb, 'accounts', 9000,
    'openings_proven', 9000, 'openings_taken', 0, 'opening_coins', '1', 'moved_coins', '1', 'closing_coins', '2',
    'credits', 4000, 'credits_pending', 0, 'flows', '{}'::jsonb, 'minutes_proven', 1440, 'findings',
    coalesce((SELECT jsonb_agg(line) FROM finding f WHERE f.day = r.day AND f.partition = part), '[]'::jsonb)), now()
FROM recon.recon_runs r, generate_series(0, 63) AS part;
INSERT INTO recon.run_steps (run_id, step_no, kind, state, rows_done, result, ended_at)
SELECT r.run_id, 65, 'bills', 2, 90000, jsonb_build_object('findings', '[]'::jsonb, 'channels', (
    SELECT jsonb_agg(jsonb_build_object('scope', 'channel', 'channel', channel, 'has_file', true, 'files', '[]'::jsonb,
        'rules_version', 1, 'ours_count', 30000, 'ours_minor', 18000000, 'matched_count', 29990, 'matched_minor', 17994000,
        'theirs_count', 29990, 'theirs_minor', 17994000, 'other_rows', 0, 'ambiguous_groups', 0, 'unmatched_ours', 10,
        'unmatched_theirs', 0, 'variance_minor', 0, 'matches_sha256', repeat('ab', 32), 'suggestions', '[]'::jsonb))
    FROM unnest(ARRAY['one', 'two', 'three']) AS channel)), now()
FROM recon.recon_runs r;

-- Everything was compared up to now.
INSERT INTO recon.progress (pair, partition, before_minute)
SELECT pair, part, (extract(epoch FROM now()) / 60)::integer - 1
FROM generate_series(1, 2) AS pair, generate_series(0, 63) AS part;
INSERT INTO recon.voucher_progress (source, partition, covered_seq)
SELECT log, partition, last_seq FROM wallet.log_heads UNION ALL SELECT log, partition, last_seq FROM settlement.log_heads;
