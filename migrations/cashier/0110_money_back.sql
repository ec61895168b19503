-- Money that goes back: chargebacks, refunds that we ask channels for, and what a withdrawal could not take.

ALTER TABLE notices
    DROP CONSTRAINT notices_kind_known,
    DROP CONSTRAINT notices_refund_names_its_payment,
    -- 5 charged back: the channel took the money back, whether we wanted it or not.
    ADD CONSTRAINT notices_kind_known CHECK (kind BETWEEN 1 AND 5),
    ADD CONSTRAINT notices_refund_names_its_payment CHECK ((kind IN (4, 5)) = (refund_of IS NOT NULL));
CREATE INDEX notices_of_payment ON notices (channel, refund_of) WHERE refund_of IS NOT NULL;

-- What the wallet took for each refund and chargeback of the log: asked of the wallet until it has decided. What it
-- could not take any more is a receivable from the viewer.
CREATE TABLE withdrawals (
    payment_id      uuid        NOT NULL PRIMARY KEY,
    account_id      uuid        NOT NULL,
    coins           bigint      NOT NULL,
    -- The wallet's answer by its slug, its accounting day, and what it could not take.
    outcome         text,
    day             date,
    shortfall_coins bigint      NOT NULL DEFAULT 0,
    asked_at        timestamptz NOT NULL DEFAULT now(),
    known_at        timestamptz,
    CONSTRAINT withdrawals_coins_above_zero CHECK (coins > 0),
    CONSTRAINT withdrawals_shortfall_within_coins CHECK (shortfall_coins BETWEEN 0 AND coins),
    CONSTRAINT withdrawals_known_say_how
        CHECK ((known_at IS NULL) = (outcome IS NULL) AND (known_at IS NULL) = (day IS NULL)),
    CONSTRAINT withdrawals_only_known_fall_short CHECK (shortfall_coins = 0 OR known_at IS NOT NULL)
);
CREATE INDEX withdrawals_waiting ON withdrawals (asked_at) WHERE known_at IS NULL;
CREATE INDEX withdrawals_short ON withdrawals (account_id) WHERE shortfall_coins > 0;
INSERT INTO withdrawals (payment_id, account_id, coins)
SELECT payment_id, account_id, paid_coins FROM payments WHERE kind = 2;

-- Whose money is to go back, once per case.
CREATE TABLE return_cases (
    case_id    uuid        NOT NULL PRIMARY KEY,
    account_id uuid        NOT NULL,
    coins      bigint      NOT NULL,
    -- Coins that no recharge has left to refund.
    left_coins bigint      NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT return_cases_coins_above_zero CHECK (coins > 0),
    CONSTRAINT return_cases_left_within_coins CHECK (left_coins BETWEEN 0 AND coins)
);

-- Refunds that channels are asked for. The channel's own callback moves the money, as any other refund does.
CREATE TABLE returns (
    refund_id          uuid        NOT NULL PRIMARY KEY,
    case_id            uuid        NOT NULL REFERENCES return_cases (case_id),
    recharge_id        uuid        NOT NULL,
    channel            text        NOT NULL,
    channel_payment_id text        NOT NULL,
    amount_minor       bigint      NOT NULL,
    currency           text        NOT NULL,
    coins              bigint      NOT NULL,
    -- 1 asked, 2 done, 3 refused.
    state              smallint    NOT NULL DEFAULT 1,
    asked_at           timestamptz NOT NULL DEFAULT now(),
    -- The channel's id of the refund, as its callback named it.
    told_as            text,
    ended_at           timestamptz,
    CONSTRAINT returns_one_per_recharge UNIQUE (case_id, recharge_id),
    CONSTRAINT returns_told_once UNIQUE (channel, told_as),
    CONSTRAINT returns_state_known CHECK (state BETWEEN 1 AND 3),
    CONSTRAINT returns_amount_above_zero CHECK (amount_minor > 0 AND coins > 0),
    CONSTRAINT returns_ended_were_told
        CHECK ((state = 1) = (told_as IS NULL) AND (state = 1) = (ended_at IS NULL))
);
CREATE INDEX returns_asked ON returns (asked_at) WHERE state = 1;
