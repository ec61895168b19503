-- Clearing's tables: the chart, the rules, vouchers, periods, and what each account moved on each day.

-- One row per chart, rules and face values ever in force; the newest is.
CREATE TABLE policies (
    version     integer     PRIMARY KEY,
    -- What makes two loads the same: the policy's canonical JSON.
    policy      jsonb       NOT NULL,
    loaded_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policies_version_positive CHECK (version > 0)
);

CREATE TABLE accounts (
    version integer NOT NULL REFERENCES policies (version),
    code    text    NOT NULL,
    name    text    NOT NULL,
    -- 1: grows on the debit side; 2: on the credit side.
    side    smallint NOT NULL,
    PRIMARY KEY (version, code),
    CONSTRAINT accounts_side_known CHECK (side IN (1, 2))
);

CREATE TABLE rules (
    version   integer NOT NULL REFERENCES policies (version),
    rule      text    NOT NULL,
    source    text    NOT NULL,
    kinds     text[]  NOT NULL,
    component text    NOT NULL,
    debit     text    NOT NULL,
    credit    text    NOT NULL,
    PRIMARY KEY (version, rule, component),
    CONSTRAINT rules_debit_account_exists FOREIGN KEY (version, debit) REFERENCES accounts (version, code),
    CONSTRAINT rules_credit_account_exists FOREIGN KEY (version, credit) REFERENCES accounts (version, code),
    CONSTRAINT rules_accounts_differ CHECK (debit <> credit)
);

-- What a paid coin is worth from a day on, in millionths of a minor unit.
CREATE TABLE face_values (
    version         integer NOT NULL REFERENCES policies (version),
    from_day        date    NOT NULL,
    micros_per_coin bigint  NOT NULL,
    PRIMARY KEY (version, from_day),
    CONSTRAINT face_values_positive CHECK (micros_per_coin > 0)
);

-- Accounting days. Posting takes the row FOR SHARE, a hard lock takes it FOR UPDATE.
CREATE TABLE periods (
    day        date        PRIMARY KEY,
    -- 1: open; 2: soft (closed to people); 3: hard (closed to everything).
    state      smallint    NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT periods_state_known CHECK (state IN (1, 2, 3))
);

-- Whether postings sum to zero: as many lines in each column, one side above zero in each line, equal sums.
CREATE FUNCTION postings_balance(accounts text[], debits bigint[], credits bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT cardinality(accounts) >= 2
       AND cardinality(accounts) = cardinality(debits) AND cardinality(accounts) = cardinality(credits)
       AND (SELECT coalesce(bool_and((d > 0 AND c = 0) OR (d = 0 AND c > 0)), false)
                   AND coalesce(sum(d::numeric) = sum(c::numeric), false)
            FROM unnest(debits, credits) AS line (d, c))
$$;

-- The log. A row's three arrays are its postings.
CREATE TABLE vouchers (
    partition   smallint    NOT NULL,
    seq         bigint      NOT NULL,
    epoch       bigint      NOT NULL,
    decided_at  timestamptz NOT NULL,
    minute      integer     NOT NULL,
    day         date        NOT NULL,
    origin_seq  bigint      NOT NULL,
    rule        text        NOT NULL,
    source      text        NOT NULL,
    from_seq    bigint      NOT NULL,
    to_seq      bigint      NOT NULL,
    posted_day  date        NOT NULL REFERENCES periods (day),
    row_count   bigint      NOT NULL,
    coins       bigint      NOT NULL,
    accounts    text[]      NOT NULL,
    debits      bigint[]    NOT NULL,
    credits     bigint[]    NOT NULL,
    PRIMARY KEY (partition, seq),
    CONSTRAINT vouchers_one_per_rule_day_and_range UNIQUE (source, rule, day, partition, from_seq),
    CONSTRAINT vouchers_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT vouchers_range_in_order CHECK (from_seq BETWEEN 1 AND to_seq),
    CONSTRAINT vouchers_rows_within_range CHECK (row_count BETWEEN 1 AND to_seq - from_seq + 1),
    CONSTRAINT vouchers_coins_not_negative CHECK (coins >= 0),
    CONSTRAINT vouchers_posted_not_before_day CHECK (posted_day >= day),
    CONSTRAINT vouchers_sum_to_zero CHECK (postings_balance(accounts, debits, credits))
);

-- What each account moved on each day in each partition: the trial balance without reading vouchers. Kept in
-- the transaction of the vouchers it sums.
CREATE TABLE account_days (
    posted_day   date     NOT NULL,
    account      text     NOT NULL,
    partition    smallint NOT NULL,
    debit_micro  bigint   NOT NULL,
    credit_micro bigint   NOT NULL,
    PRIMARY KEY (posted_day, account, partition),
    CONSTRAINT account_days_sides_not_negative CHECK (debit_micro >= 0 AND credit_micro >= 0)
) WITH (fillfactor = 50);
