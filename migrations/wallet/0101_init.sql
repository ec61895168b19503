-- The wallet's tables. Coins live here and nowhere else.

-- The log: one row per decided command, refusals included. Rows never change. Day tables are made on demand:
-- ids begin with their time, so a day is a range of ids. log_heads keeps (partition, seq) unique.
-- Every column here is paid for by every gift; the minute follows from decided_at.
CREATE TABLE entries (
    partition              smallint    NOT NULL,
    seq                    bigint      NOT NULL,
    epoch                  bigint      NOT NULL,
    decided_at             timestamptz NOT NULL,
    day                    date        NOT NULL,
    request_id             uuid        NOT NULL,
    account_id             uuid        NOT NULL,
    -- The seq of the account's entry before this one, 0 for its first: an account's history is a chain.
    previous_seq           bigint      NOT NULL,
    kind                   smallint    NOT NULL,
    outcome                smallint    NOT NULL,
    -- The change of what is available and of what is on hold, by fund; then both after it.
    paid_delta_coins       bigint      NOT NULL,
    promo_delta_coins      bigint      NOT NULL,
    held_paid_delta_coins  bigint      NOT NULL DEFAULT 0,
    held_promo_delta_coins bigint      NOT NULL DEFAULT 0,
    paid_after_coins       bigint      NOT NULL,
    promo_after_coins      bigint      NOT NULL,
    held_paid_after_coins  bigint      NOT NULL DEFAULT 0,
    held_promo_after_coins bigint      NOT NULL DEFAULT 0,
    shortfall_coins        bigint      NOT NULL DEFAULT 0,
    -- The order refunded, the recharge withdrawn, the hold placed, captured, released or expired.
    origin_id              uuid,
    expires_at_ms          bigint,
    -- What was sent, for a debit or a capture: JSON, written once and read whole, so not parsed on the way in.
    send                   text,
    body_hash              bigint      NOT NULL,
    CONSTRAINT entries_request_decided_once UNIQUE (partition, request_id),
    CONSTRAINT entries_live_ids_are_v7 CHECK (get_byte(uuid_send(request_id), 6) / 16 = 7),
    CONSTRAINT entries_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT entries_seq_follows CHECK (previous_seq >= 0 AND seq > previous_seq),
    CONSTRAINT entries_kind_known CHECK (kind BETWEEN 1 AND 13),
    CONSTRAINT entries_outcome_known CHECK (outcome BETWEEN 0 AND 9),
    CONSTRAINT entries_balance_not_negative CHECK (
        paid_after_coins >= 0 AND promo_after_coins >= 0
        AND held_paid_after_coins >= 0 AND held_promo_after_coins >= 0),
    CONSTRAINT entries_balance_within_max CHECK (
        paid_after_coins + held_paid_after_coins <= 1000000000000000
        AND promo_after_coins + held_promo_after_coins <= 1000000000000000),
    CONSTRAINT entries_shortfall_not_negative CHECK (shortfall_coins >= 0),
    CONSTRAINT entries_refusal_moves_nothing CHECK (
        outcome = 0 OR (paid_delta_coins = 0 AND promo_delta_coins = 0 AND held_paid_delta_coins = 0
                        AND held_promo_delta_coins = 0 AND shortfall_coins = 0))
) PARTITION BY RANGE (request_id);

-- The way of readers, of a takeover, and along an account's chain.
CREATE INDEX entries_by_seq ON entries (partition, seq);
-- What went back of an order (kind 9) or a recharge (kind 10).
CREATE INDEX entries_by_origin ON entries (origin_id) WHERE kind IN (9, 10) AND outcome = 0;

-- Committed balances as of some entry: what a takeover starts from. An account whose row is older than the
-- partition's snapshot head has no entry in between.
CREATE TABLE accounts (
    account_id       uuid     PRIMARY KEY,
    partition        smallint NOT NULL,
    paid_coins       bigint   NOT NULL,
    promo_coins      bigint   NOT NULL,
    held_paid_coins  bigint   NOT NULL,
    held_promo_coins bigint   NOT NULL,
    -- [[hold id, paid coins, promotional coins, expiry in Unix ms], …]
    holds            jsonb    NOT NULL,
    frozen           boolean  NOT NULL,
    -- What was spent on the last accounting day on which anything was.
    spend_day        date,
    spent_coins      bigint   NOT NULL,
    as_of_seq        bigint   NOT NULL,
    CONSTRAINT accounts_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT accounts_balance_not_negative CHECK (
        paid_coins >= 0 AND promo_coins >= 0 AND held_paid_coins >= 0 AND held_promo_coins >= 0),
    CONSTRAINT accounts_spent_not_negative CHECK (spent_coins >= 0)
) WITH (fillfactor = 70);

CREATE INDEX accounts_with_holds ON accounts (partition) WHERE holds <> '[]'::jsonb;

-- Up to where `accounts` covers each partition's entries.
CREATE TABLE snapshot_heads (
    partition smallint PRIMARY KEY,
    as_of_seq bigint   NOT NULL,
    CONSTRAINT snapshot_heads_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT snapshot_heads_seq_not_negative CHECK (as_of_seq >= 0)
) WITH (fillfactor = 50);
