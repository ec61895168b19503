-- What viewers asked to buy, what channels told us, and the log of what became money.

-- What one coin is worth, in millionths of a minor unit, from a day on.
CREATE TABLE face_values (
    currency        text   NOT NULL,
    valid_from      date   NOT NULL,
    micros_per_coin bigint NOT NULL,
    PRIMARY KEY (currency, valid_from),
    CONSTRAINT face_values_above_zero CHECK (micros_per_coin > 0)
);

-- 1,000 coins are one yuan.
INSERT INTO face_values (currency, valid_from, micros_per_coin) VALUES ('CNY', '2000-01-01', 100000);

-- One row per recharge a viewer asked for. The coins are fixed when it is asked for.
CREATE TABLE recharges (
    recharge_id    uuid        NOT NULL PRIMARY KEY,
    account_id     uuid        NOT NULL,
    channel        text        NOT NULL,
    body_hash      bigint      NOT NULL,
    amount_minor   bigint      NOT NULL,
    currency       text        NOT NULL,
    paid_coins     bigint      NOT NULL,
    promo_coins    bigint      NOT NULL,
    state          smallint    NOT NULL,
    payment_id     uuid,
    refunded_minor bigint      NOT NULL,
    version        bigint      NOT NULL,
    asked_at       timestamptz NOT NULL,
    CONSTRAINT recharges_live_ids_are_v7 CHECK (get_byte(uuid_send(recharge_id), 6) / 16 = 7),
    CONSTRAINT recharges_amount_above_zero CHECK (amount_minor > 0),
    CONSTRAINT recharges_coins_above_zero CHECK (paid_coins > 0 AND promo_coins >= 0),
    CONSTRAINT recharges_state_known CHECK (state BETWEEN 1 AND 6),
    CONSTRAINT recharges_refund_within_amount CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT recharges_refund_needs_payment CHECK (refunded_minor = 0 OR payment_id IS NOT NULL),
    CONSTRAINT recharges_paid_means_payment CHECK ((state >= 4) = (payment_id IS NOT NULL))
);
CREATE INDEX recharges_of_account ON recharges (account_id, asked_at DESC);

-- Everything a channel told us, once each: the claim that makes a repeated callback a repeat.
CREATE TABLE notices (
    channel            text        NOT NULL,
    channel_payment_id text        NOT NULL,
    kind               smallint    NOT NULL,
    content_hash       bigint      NOT NULL,
    recharge_id        uuid        NOT NULL,
    amount_minor       bigint      NOT NULL,
    currency           text        NOT NULL,
    paid_at            timestamptz NOT NULL,
    refund_of          text,
    outcome            smallint    NOT NULL,
    refusal            smallint,
    payment_id         uuid,
    received_at        timestamptz NOT NULL,
    PRIMARY KEY (channel, channel_payment_id, kind),
    CONSTRAINT notices_kind_known CHECK (kind BETWEEN 1 AND 4),
    CONSTRAINT notices_amount_above_zero CHECK (amount_minor > 0),
    CONSTRAINT notices_refund_names_its_payment CHECK ((kind = 4) = (refund_of IS NOT NULL)),
    CONSTRAINT notices_outcome_known CHECK (outcome BETWEEN 1 AND 5),
    CONSTRAINT notices_refusal_has_a_reason CHECK ((outcome = 5) = (refusal IS NOT NULL)),
    CONSTRAINT notices_money_has_a_payment CHECK ((outcome IN (1, 2)) = (payment_id IS NOT NULL))
);
-- Refunds that wait for their payment.
CREATE INDEX notices_kept_aside ON notices (channel, refund_of) WHERE outcome = 3;

-- The log: money that moved, once each.
CREATE TABLE payments (
    partition          smallint    NOT NULL,
    seq                bigint      NOT NULL,
    epoch              bigint      NOT NULL,
    decided_at         timestamptz NOT NULL,
    minute             integer     NOT NULL,
    day                date        NOT NULL,
    origin_seq         bigint      NOT NULL,
    payment_id         uuid        NOT NULL,
    kind               smallint    NOT NULL,
    account_id         uuid        NOT NULL,
    channel            text        NOT NULL,
    channel_payment_id text        NOT NULL,
    refunds            uuid,
    amount_minor       bigint      NOT NULL,
    currency           text        NOT NULL,
    paid_coins         bigint      NOT NULL,
    promo_coins        bigint      NOT NULL,
    paid_at            timestamptz NOT NULL,
    PRIMARY KEY (partition, seq),
    CONSTRAINT payments_live_ids_are_v7 CHECK (get_byte(uuid_send(payment_id), 6) / 16 = 7),
    CONSTRAINT payments_id_once UNIQUE (payment_id),
    CONSTRAINT payments_channel_id_once UNIQUE (channel, channel_payment_id, kind),
    CONSTRAINT payments_seq_from_one CHECK (seq >= 1 AND partition BETWEEN 0 AND 63),
    CONSTRAINT payments_kind_known CHECK (kind IN (1, 2)),
    CONSTRAINT payments_amount_above_zero CHECK (amount_minor > 0),
    CONSTRAINT payments_coins_above_zero CHECK (paid_coins > 0 AND promo_coins >= 0),
    CONSTRAINT payments_refund_names_its_payment CHECK ((kind = 2) = (refunds IS NOT NULL)),
    CONSTRAINT payments_refund_takes_no_bonus CHECK (kind = 1 OR promo_coins = 0)
);
CREATE INDEX payments_by_day ON payments (day, partition);
