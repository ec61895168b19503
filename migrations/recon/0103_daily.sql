-- The daily run: files of channels and banks, what was matched by which rules, the run's steps and what they found.

-- The accounting day that a break of the daily run is about.
ALTER TABLE breaks ADD COLUMN day date;
CREATE INDEX breaks_of_day ON breaks (day, partition) WHERE day IS NOT NULL AND state <> 7;

-- Which column of a CSV or XLSX is what. A changed profile is a new version.
CREATE TABLE bill_profiles (
    name       text        NOT NULL,
    version    integer     NOT NULL,
    profile    jsonb       NOT NULL,
    created_by uuid        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version),
    CONSTRAINT bill_profiles_version_positive CHECK (version > 0),
    CONSTRAINT bill_profiles_name_is_short CHECK (length(name) BETWEEN 1 AND 64)
);

-- Files. Scope 1: trades of a channel, 2: a bank's statement, 3: a channel's funds (kept, and matched with nothing).
-- State 1: its rows are coming in, 2: imported. A file is known by its hash, so it comes in once.
CREATE TABLE bills (
    bill_id     uuid        PRIMARY KEY,
    sha256      bytea       NOT NULL,
    scope       smallint    NOT NULL,
    channel     text        NOT NULL,
    format      text        NOT NULL,
    -- The saved profile it was read by, as `name@version`.
    profile     text,
    state       smallint    NOT NULL DEFAULT 1,
    period_from date,
    period_to   date,
    row_count   bigint      NOT NULL,
    byte_count  bigint      NOT NULL,
    -- What its rows sum to by currency, what was proven of it, and whose accounts are in it.
    totals      jsonb       NOT NULL,
    proofs      jsonb       NOT NULL,
    accounts    jsonb       NOT NULL,
    claimed_by  uuid        NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    imported_at timestamptz,
    CONSTRAINT bills_come_in_once UNIQUE (sha256),
    CONSTRAINT bills_hash_is_whole CHECK (length(sha256) = 32),
    CONSTRAINT bills_scope_known CHECK (scope IN (1, 2, 3)),
    CONSTRAINT bills_state_known CHECK (state IN (1, 2)),
    CONSTRAINT bills_imported_say_when CHECK ((state = 2) = (imported_at IS NOT NULL)),
    CONSTRAINT bills_period_in_order CHECK (period_from <= period_to)
);
CREATE INDEX bills_by_period ON bills (period_to, period_from);

CREATE TABLE bill_rows (
    bill_id       uuid     NOT NULL REFERENCES bills (bill_id),
    row_no        bigint   NOT NULL,
    scope         smallint NOT NULL,
    channel       text     NOT NULL,
    -- The day on the file's own calendar.
    day           date     NOT NULL,
    -- Where in the file.
    line          bigint   NOT NULL,
    kind          text     NOT NULL,
    account       text     NOT NULL,
    channel_ref   text     NOT NULL,
    our_ref       text,
    about_ref     text,
    status        text     NOT NULL,
    -- Minor units; positive where money comes to us.
    amount_minor  bigint   NOT NULL,
    fee_micro     bigint   NOT NULL,
    currency      text     NOT NULL,
    balance_minor bigint,
    -- The row as it stands in the file.
    raw           text     NOT NULL,
    PRIMARY KEY (bill_id, row_no),
    CONSTRAINT bill_rows_count_from_one CHECK (row_no >= 1)
);
CREATE INDEX bill_rows_by_day ON bill_rows (scope, channel, day, bill_id, row_no);

CREATE TRIGGER bill_rows_stay BEFORE UPDATE OR DELETE ON bill_rows
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER bill_rows_are_not_emptied BEFORE TRUNCATE ON bill_rows
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER bill_profiles_stay BEFORE UPDATE OR DELETE ON bill_profiles
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Payments as the daily run first read them: what bills are matched with, and what a later run compares the log to.
CREATE TABLE payment_lines (
    payment_id         uuid     PRIMARY KEY,
    partition          smallint NOT NULL,
    seq                bigint   NOT NULL,
    day                date     NOT NULL,
    -- The day of the channel's own time, in the accounting zone.
    paid_day           date     NOT NULL,
    channel            text     NOT NULL,
    channel_payment_id text     NOT NULL,
    account_id         uuid     NOT NULL,
    -- Positive where money came to us.
    amount_minor       bigint   NOT NULL,
    currency           text     NOT NULL,
    paid_coins         bigint   NOT NULL,
    promo_coins        bigint   NOT NULL,
    CONSTRAINT payment_lines_one_per_row UNIQUE (partition, seq)
);
CREATE INDEX payment_lines_by_day ON payment_lines (channel, paid_day, payment_id);
CREATE TRIGGER payment_lines_stay BEFORE UPDATE OR DELETE ON payment_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What each account that moved on a day had at its end: what the next day must open with.
CREATE TABLE account_closings (
    account_id       uuid     NOT NULL,
    day              date     NOT NULL,
    partition        smallint NOT NULL,
    last_seq         bigint   NOT NULL,
    paid_coins       bigint   NOT NULL,
    promo_coins      bigint   NOT NULL,
    held_paid_coins  bigint   NOT NULL,
    held_promo_coins bigint   NOT NULL,
    PRIMARY KEY (account_id, day)
);
CREATE TRIGGER account_closings_stay BEFORE UPDATE OR DELETE ON account_closings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Rules of matching: versions, each proposed by one person and decided by another. State 1 proposed, 2 approved,
-- 3 rejected. The newest approved one is in force.
CREATE TABLE matching_rules (
    scope       smallint    NOT NULL,
    version     integer     NOT NULL,
    rules       jsonb       NOT NULL,
    state       smallint    NOT NULL DEFAULT 1,
    -- Nobody: it came with the program.
    maker_id    uuid,
    reason      text        NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    checker_id  uuid,
    decided_at  timestamptz,
    PRIMARY KEY (scope, version),
    CONSTRAINT matching_rules_scope_known CHECK (scope IN (1, 2)),
    CONSTRAINT matching_rules_state_known CHECK (state IN (1, 2, 3)),
    CONSTRAINT matching_rules_version_positive CHECK (version > 0),
    CONSTRAINT matching_rules_checker_is_not_the_maker CHECK (checker_id <> maker_id),
    CONSTRAINT matching_rules_decided_by_somebody CHECK (
        (state = 1) = (decided_at IS NULL) AND (state = 1 OR checker_id IS NOT NULL OR maker_id IS NULL))
);
-- One of a scope is undecided.
CREATE UNIQUE INDEX matching_rules_one_undecided ON matching_rules (scope) WHERE state = 1;

CREATE FUNCTION keep_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 1 OR (OLD.scope, OLD.version, OLD.rules, OLD.maker_id, OLD.reason)
        IS DISTINCT FROM (NEW.scope, NEW.version, NEW.rules, NEW.maker_id, NEW.reason)
    THEN
        RAISE EXCEPTION 'rules are proposed once and decided once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER matching_rules_are_decided_once BEFORE UPDATE ON matching_rules
    FOR EACH ROW EXECUTE FUNCTION keep_rules();
CREATE TRIGGER matching_rules_are_not_deleted BEFORE DELETE ON matching_rules
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO matching_rules (scope, version, rules, state, reason, decided_at) VALUES
(1, 1, '{
  "name": "channel-trades", "version": 1, "walls": "outside",
  "passes": [
    { "name": "exact", "act": { "exact": { "by": ["reference"] } } },
    { "name": "our-number", "act": { "fallback_key": { "by": ["second_reference"] } } },
    { "name": "day-cut", "act": { "date_lag": { "by": ["reference"], "min_days": 0, "max_days": 3, "direction": "either" } } },
    { "name": "split", "act": { "batch_sum": { "by": "reference", "shape": "one_to_many", "max_lines": 50, "max_days": 3 } } },
    { "name": "sum-of-some", "act": { "subset_sum_suggest": { "shape": "one_to_many", "max_items": 4,
      "max_candidates": 32, "max_steps": 100000, "max_days": 1 } } }
  ]
}', 2, 'shipped', now()),
(2, 1, '{
  "name": "bank-statements", "version": 1, "walls": "outside",
  "tolerances": { "channel-fee": { "cause": "fee", "currency": "CNY", "least_minor": -1000000, "most_minor": 0 } },
  "passes": [
    { "name": "exact", "act": { "exact": { "by": ["reference"] } } },
    { "name": "value-day", "act": { "date_lag": { "by": ["reference"], "min_days": 0, "max_days": 5, "direction": "right_later" } } },
    { "name": "day-of-channel", "act": { "batch_sum": { "by": "batch", "shape": "many_to_one", "max_lines": 1000000, "max_days": 5 } } },
    { "name": "day-less-fee", "act": { "batch_sum": { "by": "batch", "shape": "many_to_one", "max_lines": 1000000, "max_days": 5,
      "tolerance": "channel-fee" } } }
  ]
}', 2, 'shipped', now());

-- What was matched, as of each day's newest run. No row of a side is in two matches of a scope.
CREATE TABLE matches (
    match_id       uuid     PRIMARY KEY,
    scope          smallint NOT NULL,
    channel        text     NOT NULL,
    day            date     NOT NULL,
    pass           text     NOT NULL,
    rules_version  integer  NOT NULL,
    tolerance      text,
    variance_minor bigint   NOT NULL,
    -- What our side of it sums to.
    amount_minor   bigint   NOT NULL,
    currency       text     NOT NULL
);
CREATE INDEX matches_of_day ON matches (scope, channel, day);
CREATE TABLE matched_rows (
    scope    smallint NOT NULL,
    -- 1 ours, 2 theirs.
    side     smallint NOT NULL,
    row_id   text     NOT NULL,
    match_id uuid     NOT NULL REFERENCES matches (match_id) ON DELETE CASCADE,
    CONSTRAINT matched_rows_match_once PRIMARY KEY (scope, side, row_id),
    CONSTRAINT matched_rows_side_known CHECK (side IN (1, 2))
);
CREATE INDEX matched_rows_of_match ON matched_rows (match_id);

-- Runs. State 1 to be done, 2 at work, 3 done, 4 given up.
CREATE TABLE recon_runs (
    run_id        uuid        PRIMARY KEY,
    day           date        NOT NULL,
    state         smallint    NOT NULL DEFAULT 1,
    -- A person's id, or `recon` for the schedule.
    requested_by  text        NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    ended_at      timestamptz,
    -- When it is tried again, and why it was not done the last time.
    next_at       timestamptz NOT NULL DEFAULT now(),
    attempts      integer     NOT NULL DEFAULT 0,
    last_error    text,
    report        text,
    report_sha256 bytea,
    CONSTRAINT recon_runs_state_known CHECK (state BETWEEN 1 AND 4),
    CONSTRAINT recon_runs_done_have_a_report CHECK ((state = 3) = (report IS NOT NULL) AND (state = 3) = (report_sha256 IS NOT NULL)),
    CONSTRAINT recon_runs_ended_say_when CHECK ((state IN (3, 4)) = (ended_at IS NOT NULL))
);
CREATE INDEX recon_runs_to_do ON recon_runs (next_at) WHERE state IN (1, 2);
CREATE INDEX recon_runs_by_day ON recon_runs (day, requested_at);

-- The steps of a run, in order. State 1 to do, 2 done. What is done is not done again after a crash.
CREATE TABLE run_steps (
    run_id    uuid        NOT NULL REFERENCES recon_runs (run_id),
    step_no   integer     NOT NULL,
    kind      text        NOT NULL,
    -- The partition of a step about logs.
    partition smallint,
    state     smallint    NOT NULL DEFAULT 1,
    rows_done bigint      NOT NULL DEFAULT 0,
    result    jsonb,
    ended_at  timestamptz,
    PRIMARY KEY (run_id, step_no),
    CONSTRAINT run_steps_state_known CHECK (state IN (1, 2)),
    CONSTRAINT run_steps_done_say_what CHECK ((state = 2) = (result IS NOT NULL) AND (state = 2) = (ended_at IS NOT NULL))
);
