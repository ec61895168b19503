-- Recon's tables: digests of what each log says, what was compared, and the differences found.

-- What one side of a pair says of one minute: pair 1 = entries and orders, 2 = orders and items;
-- side 1 = the log before, 2 = the log after. first_seq and last_seq bound the rows to read should it differ.
CREATE TABLE digests (
    pair      smallint NOT NULL,
    side      smallint NOT NULL,
    partition smallint NOT NULL,
    minute    integer  NOT NULL,
    row_count bigint   NOT NULL,
    coins     bigint   NOT NULL,
    hash_high bigint   NOT NULL,
    hash_low  bigint   NOT NULL,
    first_seq bigint   NOT NULL,
    last_seq  bigint   NOT NULL,
    PRIMARY KEY (pair, partition, minute, side),
    CONSTRAINT digests_pair_known CHECK (pair IN (1, 2)),
    CONSTRAINT digests_side_known CHECK (side IN (1, 2)),
    CONSTRAINT digests_partition_exists CHECK (partition BETWEEN 0 AND 63)
) WITH (fillfactor = 50);

-- Up to when each log's partition is read whole.
CREATE TABLE closed_logs (
    log          text        NOT NULL,
    partition    smallint    NOT NULL,
    closed_until timestamptz NOT NULL,
    PRIMARY KEY (log, partition)
) WITH (fillfactor = 50);

-- Up to which minute (exclusive) each pair's partition is compared.
CREATE TABLE progress (
    pair           smallint NOT NULL,
    partition      smallint NOT NULL,
    before_minute  integer  NOT NULL,
    PRIMARY KEY (pair, partition)
) WITH (fillfactor = 50);

-- How each compared minute that had rows came out: 1 = equal, 2 = different.
CREATE TABLE minutes (
    pair        smallint    NOT NULL,
    partition   smallint    NOT NULL,
    minute      integer     NOT NULL,
    outcome     smallint    NOT NULL,
    compared_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pair, partition, minute),
    CONSTRAINT minutes_outcome_known CHECK (outcome IN (1, 2))
);

-- Vouchers read and not yet compared with the rows of their ranges.
CREATE TABLE voucher_ranges (
    partition   smallint    NOT NULL,
    voucher_seq bigint      NOT NULL,
    source      text        NOT NULL,
    rule        text        NOT NULL,
    day         date        NOT NULL,
    from_seq    bigint      NOT NULL,
    to_seq      bigint      NOT NULL,
    row_count   bigint      NOT NULL,
    coins       bigint      NOT NULL,
    decided_at  timestamptz NOT NULL,
    PRIMARY KEY (partition, voucher_seq)
);

-- Up to which seq the vouchers of each source are compared with its rows.
CREATE TABLE voucher_progress (
    source      text     NOT NULL,
    partition   smallint NOT NULL,
    covered_seq bigint   NOT NULL,
    PRIMARY KEY (source, partition)
) WITH (fillfactor = 50);

-- Differences found, each once however often it is found.
CREATE TABLE breaks (
    break_no    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    break_id    uuid        NOT NULL,
    -- What exactly differs, spelled the same at every run.
    fact_key    text        NOT NULL,
    kind        text        NOT NULL,
    -- The pair of logs, or the source of the vouchers.
    logs        text        NOT NULL,
    partition   smallint    NOT NULL,
    minute      integer,
    order_id    uuid,
    coins       bigint      NOT NULL,
    -- 1 detected, 2 open, 3 assigned, 4 proposed, 5 approved, 6 posted, 7 closed.
    state       smallint    NOT NULL DEFAULT 1,
    evidence    jsonb       NOT NULL,
    detected_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT breaks_one_per_fact UNIQUE (fact_key),
    CONSTRAINT breaks_id_is_unique UNIQUE (break_id),
    CONSTRAINT breaks_state_known CHECK (state BETWEEN 1 AND 7),
    CONSTRAINT breaks_partition_exists CHECK (partition BETWEEN 0 AND 63)
);
