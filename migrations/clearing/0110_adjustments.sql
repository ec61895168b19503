-- Adjusting vouchers: one for each named difference that one person proposed and another approved.

CREATE TABLE adjustments (
    request_id    uuid        NOT NULL PRIMARY KEY,
    -- Stands for the range of source rows, which an adjustment has none of.
    adjustment_no bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    body_hash     bigint      NOT NULL,
    partition     smallint    NOT NULL,
    break_id      uuid        NOT NULL,
    -- clearing.repair: the books did not say what our own logs say; clearing.adjust: the world outside differs.
    rule          text        NOT NULL,
    day           date        NOT NULL,
    maker_id      uuid        NOT NULL,
    checker_id    uuid        NOT NULL,
    reason        text        NOT NULL,
    accounts      text[]      NOT NULL,
    debits        bigint[]    NOT NULL,
    credits       bigint[]    NOT NULL,
    -- The voucher, once it is posted.
    voucher_seq   bigint,
    posted_day    date,
    asked_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT adjustments_by_two_people CHECK (maker_id <> checker_id),
    CONSTRAINT adjustments_sum_to_zero CHECK (postings_balance(accounts, debits, credits)),
    CONSTRAINT adjustments_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT adjustments_rule_known CHECK (rule IN ('clearing.repair', 'clearing.adjust')),
    CONSTRAINT adjustments_say_why CHECK (length(reason) BETWEEN 1 AND 4000),
    CONSTRAINT adjustments_posted_say_when CHECK ((voucher_seq IS NULL) = (posted_day IS NULL)),
    CONSTRAINT adjustments_posted_not_before_day CHECK (posted_day >= day)
);
CREATE INDEX adjustments_due ON adjustments (partition) WHERE voucher_seq IS NULL;
CREATE INDEX adjustments_of_break ON adjustments (break_id);
