-- Gift's past: the orders of one partition, those that the measured pages open, and what was given back by hand.
-- Reads `past` (bench/pages/past.rs).

INSERT INTO gift.orders (partition, seq, epoch, decided_at, minute, day, origin_seq, order_id, kind, viewer_id, room_id,
    streamer_id, gift_id, quantity, paid_coins, promo_coins)
SELECT e.partition, row_number() OVER (ORDER BY e.seq), 1, e.decided_at,
    (extract(epoch FROM e.decided_at)::bigint / 60)::integer, e.day, e.seq, e.request_id, 1, e.account_id,
    '01900000-0000-7000-8000-00000000bbbb', pg_temp.id(10, 1), 1101, 1, 1, 0
FROM past p JOIN wallet.entries e ON e.partition = p.opened_partition
WHERE e.kind = 4 AND e.outcome = 0 AND e.day < p.today;

-- Of a hundred cases ninety are of one order, nine are files, one is a minor's. The newest hundredth waits.
CREATE TEMP TABLE refund_case AS
SELECT n, CASE WHEN n % 100 = 0 THEN 3 WHEN n % 10 = 0 THEN 2 ELSE 1 END AS kind,
    CASE WHEN n % 100 = 0 THEN 20 WHEN n % 10 = 0 THEN 100 ELSE 1 END AS line_count,
    n > refund_cases - refund_cases / 100 AS is_waiting
FROM past, generate_series(1, refund_cases) AS n;

INSERT INTO gift.refund_cases (case_id, kind, body_hash, made_by, made_at, reason, state, decided_by, decided_at, ended_at,
    line_count, viewer_id, from_at, to_at)
SELECT pg_temp.id(20, n), kind, n, pg_temp.id(1, 1), now() - interval '1 minute' * (refund_cases - n), 'never shown',
    CASE WHEN is_waiting THEN 1 ELSE 4 END, CASE WHEN NOT is_waiting THEN pg_temp.id(1, 2) END,
    CASE WHEN NOT is_waiting THEN now() END, CASE WHEN NOT is_waiting THEN now() END, line_count,
    CASE WHEN kind = 3 THEN pg_temp.id(21, n) END, CASE WHEN kind = 3 THEN now() - interval '9 days' END,
    CASE WHEN kind = 3 THEN now() END
FROM past, refund_case;

INSERT INTO gift.refund_lines (case_id, line, order_id, viewer_id, streamer_id, asked_coins, reason, request_id, outcome,
    paid_coins, ended_at)
SELECT pg_temp.id(20, n), line, pg_temp.id(22, n::bigint * 1000 + line), pg_temp.id(21, n), pg_temp.id(10, 1), 10,
    'never shown', CASE WHEN NOT is_waiting THEN pg_temp.id(23, n::bigint * 1000 + line) END,
    CASE WHEN NOT is_waiting THEN 'accepted' END, CASE WHEN is_waiting THEN 0 ELSE 10 END,
    CASE WHEN NOT is_waiting THEN now() END
FROM refund_case, generate_series(1, line_count) AS line;
