-- Closing: who asked for a step of a period, what a day held when it was closed, and the way of the journal.

-- Soft (2): only adjustments by finance go in. Closed (3): nothing does. 4: reopened, takes adjustments and what is late
-- of its own day.
ALTER TABLE periods
    DROP CONSTRAINT periods_state_known,
    ADD CONSTRAINT periods_state_known CHECK (state IN (1, 2, 3, 4));

-- A step of a period: of one day, or of a month as the set of its days. States: 1 waits for another person, 2 agreed and
-- under way, 3 done.
CREATE TABLE period_requests (
    request_id  uuid        NOT NULL PRIMARY KEY,
    -- `2026-11-20` or `2026-11`.
    period      text        NOT NULL,
    first_day   date        NOT NULL,
    last_day    date        NOT NULL,
    -- 1 soft lock, 2 close, 3 reopen.
    step        smallint    NOT NULL,
    state       smallint    NOT NULL DEFAULT 1,
    reason      text,
    proposed_by uuid        NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    decided_by  uuid,
    decided_at  timestamptz,
    -- The id under which the other person asked for it.
    decided_as  uuid        UNIQUE,
    CONSTRAINT period_requests_step_known CHECK (step IN (1, 2, 3)),
    CONSTRAINT period_requests_state_known CHECK (state IN (1, 2, 3)),
    CONSTRAINT period_requests_days_in_order CHECK (first_day <= last_day),
    CONSTRAINT period_requests_agreed_by_somebody
        CHECK ((state = 1) = (decided_by IS NULL) AND (state = 1) = (decided_at IS NULL)),
    -- One person locks softly; closing and reopening take two.
    CONSTRAINT period_requests_agreed_by_another CHECK (step = 1 OR decided_by <> proposed_by),
    CONSTRAINT period_requests_reason_is_short CHECK (length(reason) BETWEEN 1 AND 4000),
    CONSTRAINT period_requests_reopen_for_a_reason CHECK (step <> 3 OR reason IS NOT NULL)
);
CREATE UNIQUE INDEX period_requests_one_waits ON period_requests (period, step) WHERE state = 1;
CREATE INDEX period_requests_newest ON period_requests (request_id DESC);

-- One row each time a day was closed, or an earlier day's second closing moved its balances. The latest is in force
-- while the day is closed.
CREATE TABLE day_closings (
    day            date        NOT NULL REFERENCES periods (day),
    version        integer     NOT NULL,
    -- The version whose seals are this one's: its own, but where only balances moved.
    sealed_version integer     NOT NULL,
    request_id     uuid        NOT NULL REFERENCES period_requests (request_id),
    voucher_count  bigint      NOT NULL,
    -- The sum of all vouchers' prints.
    digest         numeric     NOT NULL,
    closed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, version),
    CONSTRAINT day_closings_version_from_one CHECK (version >= 1 AND sealed_version BETWEEN 1 AND version),
    CONSTRAINT day_closings_count_not_negative CHECK (voucher_count >= 0)
);

-- What an account moved on a closed day and held at its end: debits less credits of everything up to it.
CREATE TABLE balance_assertions (
    day           date    NOT NULL,
    version       integer NOT NULL,
    account       text    NOT NULL,
    debit_micro   numeric NOT NULL,
    credit_micro  numeric NOT NULL,
    balance_micro numeric NOT NULL,
    voucher_count bigint  NOT NULL,
    -- The sum of the prints of the vouchers that name the account.
    digest        numeric NOT NULL,
    PRIMARY KEY (day, version, account),
    CONSTRAINT balance_assertions_of_a_closing FOREIGN KEY (day, version) REFERENCES day_closings (day, version)
);

-- Each voucher of a closed day and its print, a thousand a row: 16 bytes a voucher, so that one that was changed is
-- named.
CREATE TABLE voucher_seals (
    day       date     NOT NULL,
    version   integer  NOT NULL,
    partition smallint NOT NULL,
    block     bigint   NOT NULL,
    seqs      bigint[] NOT NULL,
    prints    bigint[] NOT NULL,
    PRIMARY KEY (day, version, partition, block),
    CONSTRAINT voucher_seals_of_a_closing FOREIGN KEY (day, version) REFERENCES day_closings (day, version),
    CONSTRAINT voucher_seals_have_a_print_each CHECK (cardinality(seqs) = cardinality(prints))
);

-- The way of the journal, of exports and of seals.
CREATE INDEX vouchers_by_posted_day ON vouchers (posted_day, partition, seq);

-- Everything a voucher says, in 64 bits: the beginning of a SHA-256.
CREATE FUNCTION voucher_print(v vouchers) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ('x' || encode(substr(sha256(convert_to(concat_ws('|', v.partition, v.seq, v.epoch,
        (extract(epoch FROM v.decided_at) * 1000000)::bigint, v.minute, v.day - DATE '1970-01-01', v.origin_seq, v.rule,
        v.source, v.from_seq, v.to_seq, v.posted_day - DATE '1970-01-01', v.row_count, v.coins,
        array_to_string(v.accounts, ','), array_to_string(v.debits, ','), array_to_string(v.credits, ',')), 'UTF8')),
        1, 8), 'hex'))::bit(64)::bigint
$$;

-- Whoever posts holds the days' rows; this holds where somebody does not.
CREATE FUNCTION refuse_closed_day() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    closed date;
BEGIN
    SELECT p.day INTO closed FROM periods p
    WHERE p.state = 3 AND p.day IN (SELECT posted_day FROM posted) LIMIT 1;
    IF closed IS NOT NULL THEN
        RAISE EXCEPTION 'the day % is closed', closed
            USING ERRCODE = 'check_violation', CONSTRAINT = 'vouchers_not_in_a_closed_day';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER vouchers_not_in_a_closed_day AFTER INSERT ON vouchers REFERENCING NEW TABLE AS posted
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_day();

-- What a closing says is never changed; a later one says it anew.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed (%)', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER day_closings_only_grow BEFORE UPDATE OR DELETE ON day_closings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER balance_assertions_only_grow BEFORE UPDATE OR DELETE ON balance_assertions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER voucher_seals_only_grow BEFORE UPDATE OR DELETE ON voucher_seals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER period_requests_are_kept BEFORE DELETE ON period_requests
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER day_closings_are_not_emptied BEFORE TRUNCATE ON day_closings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER balance_assertions_are_not_emptied BEFORE TRUNCATE ON balance_assertions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER voucher_seals_are_not_emptied BEFORE TRUNCATE ON voucher_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER period_requests_are_not_emptied BEFORE TRUNCATE ON period_requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
