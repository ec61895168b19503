-- Clearing's past: vouchers of every seeded entry and item, what accounts moved by them, and days that were closed.
-- Reads `past` and `seeded` (bench/pages/past.rs). Amounts are made up: no page depends on how large they are.

INSERT INTO clearing.periods (day, state)
SELECT today - n, 1 FROM past, generate_series(0, days) AS n;

-- A range of entries has a voucher by its rule; gifts have one more, of the items they became. Once a day a channel took
-- back what had been spent: the only vouchers of an account that hardly ever moves.
WITH ranges AS (
    SELECT s.partition, s.accounts, k, k * p.voucher_rows + 1 AS from_seq, (k + 1) * p.voucher_rows AS to_seq,
        p.voucher_rows, p.today - p.days + (k * p.days / (s.rows / p.voucher_rows))::integer AS day
    FROM past p, seeded s, generate_series(0, s.rows / p.voucher_rows - 1) AS k
), made AS (
    SELECT partition, k, day, from_seq, to_seq, voucher_rows, 'wallet.entries' AS source,
        CASE WHEN from_seq <= accounts THEN 'wallet.recharge' ELSE 'wallet.spend' END AS rule
    FROM ranges
    UNION ALL
    SELECT partition, k, day, from_seq - accounts, to_seq - accounts, voucher_rows, 'settlement.items',
        'settlement.settle'
    FROM ranges WHERE from_seq > accounts
    UNION ALL
    SELECT 3, -1, today - n, days - n + 1, days - n + 1, 1, 'wallet.entries', 'wallet.withdraw'
    FROM past, generate_series(1, days) AS n
), lines (rule, accounts, debits, credits) AS (
    VALUES
        ('wallet.recharge', '{2207,6601,2205.01,2205.02}'::text[], '{90,10,0,0}'::bigint[], '{0,0,90,10}'::bigint[]),
        ('wallet.spend', '{2205.01,2205.02,2206}', '{90,10,0}', '{0,0,100}'),
        ('wallet.withdraw', '{1221,2242}', '{100,0}', '{0,100}'),
        ('settlement.settle', '{2206,6001,2221.01,6601,6401.01,2241.01,2241.02}', '{100,0,0,0,50,0,0}',
            '{0,80,10,10,0,45,5}')
)
INSERT INTO clearing.vouchers (partition, seq, epoch, decided_at, minute, day, origin_seq, rule, source, from_seq,
    to_seq, posted_day, row_count, coins, accounts, debits, credits)
SELECT m.partition, row_number() OVER (PARTITION BY m.partition ORDER BY m.day, m.k, m.source), 1,
    m.day + interval '12 hours', (extract(epoch FROM m.day + interval '12 hours') / 60)::integer, m.day, m.to_seq,
    m.rule, m.source, m.from_seq, m.to_seq, m.day, m.voucher_rows, a.amount * 1000, l.accounts,
    ARRAY(SELECT debit * a.amount * 1000000 FROM unnest(l.debits) WITH ORDINALITY AS d (debit, at) ORDER BY at),
    ARRAY(SELECT credit * a.amount * 1000000 FROM unnest(l.credits) WITH ORDINALITY AS c (credit, at) ORDER BY at)
FROM made m JOIN lines l USING (rule), LATERAL (SELECT 2 + (m.k + m.from_seq * 7919 + m.partition) % 9973) AS a (amount);

INSERT INTO clearing.account_days (posted_day, account, part_group, debit_micro, credit_micro)
SELECT v.posted_day, l.account, v.partition / 8, sum(l.debit), sum(l.credit)
FROM clearing.vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
GROUP BY v.posted_day, l.account, v.partition / 8;

-- Two people closed every day but yesterday, which is locked softly and waits.
WITH asked AS (
    INSERT INTO clearing.period_requests (request_id, period, first_day, last_day, step, state, proposed_by, decided_by,
        decided_at)
    SELECT gen_random_uuid(), (today - n)::text, today - n, today - n, 2, 3, pg_temp.id(1, 1), pg_temp.id(1, 2), now()
    FROM past, generate_series(2, days) AS n
    RETURNING request_id, first_day
), held AS (
    SELECT posted_day, count(*) AS vouchers, sum(clearing.voucher_print(v)::numeric) AS digest
    FROM clearing.vouchers v GROUP BY posted_day
)
INSERT INTO clearing.day_closings (day, version, sealed_version, request_id, voucher_count, digest)
SELECT a.first_day, 1, 1, a.request_id, h.vouchers, h.digest FROM asked a JOIN held h ON h.posted_day = a.first_day;

UPDATE clearing.periods SET state = CASE WHEN day < today - 1 THEN 3 ELSE 2 END FROM past WHERE day < today;
