-- From the end of a statement's hold to the bank: what each payee has, requests, batches, and the log of it all.

-- Statements that payees can have after the hold; a null has not been released yet.
ALTER TABLE statements ADD COLUMN released_at timestamptz;
CREATE INDEX statements_unreleased ON statements (day, payee_kind, payee_id) WHERE released_at IS NULL;
CREATE INDEX statements_unreleased_below_zero ON statements (day, payee_kind, payee_id)
    WHERE released_at IS NULL AND payable_minor < 0;

-- Where each payee's money stands, in minor units. The places always sum to what was released of statements.
CREATE TABLE payees (
    payee_kind       smallint NOT NULL,
    payee_id         uuid     NOT NULL,
    partition        smallint NOT NULL,
    last_seq         bigint   NOT NULL DEFAULT 0,
    released_minor   bigint   NOT NULL DEFAULT 0,
    available_minor  bigint   NOT NULL DEFAULT 0,
    requested_minor  bigint   NOT NULL DEFAULT 0,
    in_flight_minor  bigint   NOT NULL DEFAULT 0,
    paid_minor       bigint   NOT NULL DEFAULT 0,
    withheld_minor   bigint   NOT NULL DEFAULT 0,
    receivable_minor bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (payee_kind, payee_id),
    CONSTRAINT payees_kind_known CHECK (payee_kind IN (1, 2)),
    CONSTRAINT payees_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT payees_nothing_below_zero CHECK (
        available_minor >= 0 AND requested_minor >= 0 AND in_flight_minor >= 0 AND paid_minor >= 0
        AND withheld_minor >= 0 AND receivable_minor >= 0),
    CONSTRAINT payees_lose_nothing CHECK (
        released_minor = available_minor + requested_minor + in_flight_minor + paid_minor + withheld_minor
            - receivable_minor),
    CONSTRAINT payees_who_owe_have_nothing_available CHECK (available_minor = 0 OR receivable_minor = 0)
) WITH (fillfactor = 50);

-- The log: one row for each move of a payee's money. Kinds: 1 released, 2 requested, 3 cancelled, 4 submitted,
-- 5 paid, 6 rejected.
CREATE TABLE payouts (
    partition        smallint    NOT NULL,
    seq              bigint      NOT NULL,
    epoch            bigint      NOT NULL,
    decided_at       timestamptz NOT NULL,
    minute           integer     NOT NULL,
    day              date        NOT NULL,
    origin_seq       bigint      NOT NULL,
    kind             smallint    NOT NULL,
    payee_kind       smallint    NOT NULL,
    payee_id         uuid        NOT NULL,
    payee_seq        bigint      NOT NULL,
    released_minor   bigint      NOT NULL,
    available_minor  bigint      NOT NULL,
    requested_minor  bigint      NOT NULL,
    in_flight_minor  bigint      NOT NULL,
    paid_minor       bigint      NOT NULL,
    withheld_minor   bigint      NOT NULL,
    receivable_minor bigint      NOT NULL,
    reference        text        NOT NULL,
    PRIMARY KEY (partition, seq),
    CONSTRAINT payouts_moves_of_a_payee_in_order UNIQUE (payee_kind, payee_id, payee_seq),
    CONSTRAINT payouts_seq_from_one CHECK (seq >= 1 AND partition BETWEEN 0 AND 63),
    CONSTRAINT payouts_kind_known CHECK (kind BETWEEN 1 AND 6 AND payee_kind IN (1, 2)),
    CONSTRAINT payouts_lose_nothing CHECK (
        released_minor = available_minor + requested_minor + in_flight_minor + paid_minor + withheld_minor
            - receivable_minor)
);

-- Moves that are decided and not in the log yet: its writer takes them from here. Written with what they move.
CREATE TABLE moves_due (
    move_no          bigserial NOT NULL PRIMARY KEY,
    partition        smallint  NOT NULL,
    kind             smallint  NOT NULL,
    payee_kind       smallint  NOT NULL,
    payee_id         uuid      NOT NULL,
    payee_seq        bigint    NOT NULL,
    released_minor   bigint    NOT NULL,
    available_minor  bigint    NOT NULL,
    requested_minor  bigint    NOT NULL,
    in_flight_minor  bigint    NOT NULL,
    paid_minor       bigint    NOT NULL,
    withheld_minor   bigint    NOT NULL,
    receivable_minor bigint    NOT NULL,
    reference        text      NOT NULL
);
CREATE INDEX moves_due_by_partition ON moves_due (partition, move_no);

-- Where a payee's money goes. The newest approved one is in force.
CREATE TABLE payee_accounts (
    account_id  uuid        NOT NULL PRIMARY KEY,
    payee_kind  smallint    NOT NULL,
    payee_id    uuid        NOT NULL,
    holder      text        NOT NULL,
    account_no  text        NOT NULL,
    bank_code   text        NOT NULL,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    approved_by text,
    approved_at timestamptz,
    CONSTRAINT payee_accounts_kind_known CHECK (payee_kind IN (1, 2)),
    CONSTRAINT payee_accounts_filled_in CHECK (
        length(holder) BETWEEN 1 AND 140 AND length(account_no) BETWEEN 1 AND 34
        AND length(bank_code) BETWEEN 1 AND 35),
    CONSTRAINT payee_accounts_approved_by_another CHECK (approved_by <> created_by),
    CONSTRAINT payee_accounts_approved_at_an_instant CHECK ((approved_by IS NULL) = (approved_at IS NULL))
);
CREATE INDEX payee_accounts_in_force ON payee_accounts (payee_kind, payee_id, approved_at);

-- What is withheld of payouts from a day on. Methods: 1 a flat rate of each payout; 2 cumulative over the calendar
-- year: a table of brackets over the income so far, less costs and an allowance a month, less what was withheld.
CREATE TABLE withholding_rules (
    rule_id         integer  NOT NULL PRIMARY KEY,
    payee_kind      smallint NOT NULL,
    valid_from      date     NOT NULL,
    name            text     NOT NULL,
    method          smallint NOT NULL,
    rate_ppm        integer  NOT NULL DEFAULT 0,
    cost_ppm        integer  NOT NULL DEFAULT 0,
    allowance_minor bigint   NOT NULL DEFAULT 0,
    CONSTRAINT withholding_rules_do_not_overlap UNIQUE (payee_kind, valid_from),
    CONSTRAINT withholding_rules_kind_known CHECK (payee_kind IN (1, 2) AND method IN (1, 2)),
    CONSTRAINT withholding_rules_in_range CHECK (
        rate_ppm BETWEEN 0 AND 1000000 AND cost_ppm BETWEEN 0 AND 1000000 AND allowance_minor >= 0)
);

CREATE TABLE withholding_brackets (
    rule_id     integer NOT NULL REFERENCES withholding_rules (rule_id),
    -- The bracket is of taxable income above this.
    above_minor bigint  NOT NULL,
    rate_ppm    integer NOT NULL,
    -- Taken off the tax at this rate of all taxable income, so that lower parts are taxed by lower brackets.
    quick_minor bigint  NOT NULL,
    PRIMARY KEY (rule_id, above_minor),
    CONSTRAINT withholding_brackets_in_range CHECK (
        above_minor >= 0 AND rate_ppm BETWEEN 0 AND 1000000 AND quick_minor >= 0)
);

-- An example to be confirmed by whoever files the tax: nothing is withheld of agencies, which are companies, nor of
-- anybody before October 2025; from then on the cumulative method of the State Taxation Administration's Announcement
-- 16 of 2025, with 20 % of costs, CNY 5,000 a month, and the yearly table of comprehensive income.
INSERT INTO withholding_rules (rule_id, payee_kind, valid_from, name, method, rate_ppm, cost_ppm, allowance_minor)
VALUES
    (1, 1, '2000-01-01', 'nothing before October 2025', 1, 0, 0, 0),
    (2, 2, '2000-01-01', 'companies', 1, 0, 0, 0),
    (3, 1, '2025-10-01', 'cumulative, Announcement 16 of 2025', 2, 0, 200000, 500000);
INSERT INTO withholding_brackets (rule_id, above_minor, rate_ppm, quick_minor) VALUES
    (3, 0, 30000, 0),
    (3, 3600000, 100000, 252000),
    (3, 14400000, 200000, 1692000),
    (3, 30000000, 250000, 3192000),
    (3, 42000000, 300000, 5292000),
    (3, 66000000, 350000, 8592000),
    (3, 96000000, 450000, 18192000);

-- Money a payee asked for. It is out of what is available from here on.
CREATE TABLE payout_requests (
    request_id   uuid        NOT NULL PRIMARY KEY,
    payee_kind   smallint    NOT NULL,
    payee_id     uuid        NOT NULL,
    amount_minor bigint      NOT NULL,
    -- 1 open, 2 in a batch, 3 cancelled.
    state        smallint    NOT NULL DEFAULT 1,
    batch_id     uuid,
    requested_by text        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payout_requests_above_zero CHECK (amount_minor > 0),
    CONSTRAINT payout_requests_state_known CHECK (state IN (1, 2, 3)),
    CONSTRAINT payout_requests_batch_when_in_one CHECK ((state = 2) = (batch_id IS NOT NULL))
);
CREATE INDEX payout_requests_open ON payout_requests (payee_kind, payee_id, request_id) WHERE state = 1;
CREATE INDEX payout_requests_of_batch ON payout_requests (batch_id) WHERE batch_id IS NOT NULL;

-- A batch's lines and figures never change; its state does. States: 1 built, 2 approved, 3 submitted, 4 confirmed
-- (every line paid or rejected), 5 discarded (its requests are open again).
CREATE TABLE payout_batches (
    batch_id     uuid        NOT NULL PRIMARY KEY,
    state        smallint    NOT NULL DEFAULT 1,
    -- The accounting day it was built on: decides which rules withhold.
    day          date        NOT NULL,
    currency     text        NOT NULL,
    line_count   integer     NOT NULL,
    gross_minor  bigint      NOT NULL,
    tax_minor    bigint      NOT NULL,
    net_minor    bigint      NOT NULL,
    -- SHA-256 over the lines, in hex.
    lines_hash   text        NOT NULL,
    built_by     text        NOT NULL,
    built_at     timestamptz NOT NULL,
    approved_by  text,
    approved_at  timestamptz,
    submitted_by text,
    submitted_at timestamptz,
    CONSTRAINT payout_batches_state_known CHECK (state BETWEEN 1 AND 5),
    CONSTRAINT payout_batches_have_lines CHECK (line_count >= 1),
    CONSTRAINT payout_batches_net_and_tax_are_the_gross CHECK (gross_minor = tax_minor + net_minor),
    CONSTRAINT payout_batches_approved_by_another CHECK (approved_by <> built_by),
    CONSTRAINT payout_batches_approved_before_submitted
        CHECK ((state IN (1, 5) OR approved_by IS NOT NULL) AND (state NOT IN (3, 4) OR submitted_by IS NOT NULL))
);

-- States: 1 built, 2 submitted, 3 paid, 4 rejected, 5 discarded.
CREATE TABLE payout_lines (
    batch_id    uuid        NOT NULL REFERENCES payout_batches (batch_id),
    line        integer     NOT NULL,
    line_id     uuid        NOT NULL UNIQUE,
    state       smallint    NOT NULL DEFAULT 1,
    payee_kind  smallint    NOT NULL,
    payee_id    uuid        NOT NULL,
    gross_minor bigint      NOT NULL,
    tax_minor   bigint      NOT NULL,
    net_minor   bigint      NOT NULL,
    rule_id     integer     NOT NULL REFERENCES withholding_rules (rule_id),
    account_id  uuid        NOT NULL REFERENCES payee_accounts (account_id),
    -- Why the bank sent it back.
    reason      text,
    ended_at    timestamptz,
    PRIMARY KEY (batch_id, line),
    CONSTRAINT payout_lines_one_per_payee UNIQUE (batch_id, payee_kind, payee_id),
    CONSTRAINT payout_lines_state_known CHECK (state BETWEEN 1 AND 5),
    CONSTRAINT payout_lines_net_and_tax_are_the_gross
        CHECK (gross_minor = tax_minor + net_minor AND net_minor > 0 AND tax_minor >= 0),
    CONSTRAINT payout_lines_rejected_for_a_reason CHECK ((state = 4) = (reason IS NOT NULL)),
    CONSTRAINT payout_lines_end_at_an_instant CHECK ((state IN (3, 4, 5)) = (ended_at IS NOT NULL))
);
CREATE INDEX payout_lines_of_payee ON payout_lines (payee_kind, payee_id);
