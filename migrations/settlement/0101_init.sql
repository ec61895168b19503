-- Contracts, the log of settled orders, what each payee earned, and statements.

-- What one coin is worth, in millionths of a minor unit, from a day on. The same figures as the cashier's.
CREATE TABLE face_values (
    currency        text   NOT NULL,
    valid_from      date   NOT NULL,
    micros_per_coin bigint NOT NULL,
    PRIMARY KEY (currency, valid_from),
    CONSTRAINT face_values_above_zero CHECK (micros_per_coin > 0)
);

-- 1,000 coins are one yuan.
INSERT INTO face_values (currency, valid_from, micros_per_coin) VALUES ('CNY', '2000-01-01', 100000);

-- Who shares what, from a day on until the next version's day. The default contract, for streamers without one,
-- has the nil id and versions below zero.
CREATE TABLE contracts (
    streamer_id  uuid        NOT NULL,
    version      integer     NOT NULL,
    valid_from   date        NOT NULL,
    agency_id    uuid,
    streamer_ppm integer     NOT NULL,
    agency_ppm   integer     NOT NULL,
    platform_ppm integer     NOT NULL,
    tax_ppm      integer     NOT NULL,
    promo        smallint    NOT NULL,
    created_by   text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (streamer_id, version),
    CONSTRAINT contracts_default_versions_below_zero
        CHECK ((streamer_id = '00000000-0000-0000-0000-000000000000') = (version < 0) AND version <> 0),
    CONSTRAINT contracts_shares_not_negative
        CHECK (streamer_ppm >= 0 AND agency_ppm >= 0 AND platform_ppm >= 0 AND tax_ppm BETWEEN 0 AND 1000000),
    CONSTRAINT contracts_shares_sum_to_a_whole CHECK (streamer_ppm + agency_ppm + platform_ppm = 1000000),
    CONSTRAINT contracts_agency_share_needs_an_agency CHECK (agency_id IS NOT NULL OR agency_ppm = 0),
    CONSTRAINT contracts_platform_bears_the_tax
        CHECK (platform_ppm::bigint * (1000000 + tax_ppm) >= tax_ppm::bigint * 1000000),
    CONSTRAINT contracts_promo_known CHECK (promo IN (1, 2))
);
-- Two of a streamer's own contracts never begin on one day: one of them is in force, never both.
CREATE UNIQUE INDEX contracts_do_not_overlap ON contracts (streamer_id, valid_from) WHERE version > 0;

-- One row. The version moves with every change of contracts or face values; the sealed day is the last one whose
-- earnings can no longer change: writers of earnings hold the row FOR SHARE, sealing updates it.
CREATE TABLE book_state (
    id         smallint NOT NULL PRIMARY KEY,
    version    bigint   NOT NULL,
    sealed_day date     NOT NULL,
    CONSTRAINT book_state_is_one_row CHECK (id = 1)
) WITH (fillfactor = 10);
INSERT INTO book_state (id, version, sealed_day) VALUES (1, 1, '1970-01-01');

-- The log: one row per delivered order, one more per refund of one.
CREATE TABLE items (
    partition        smallint    NOT NULL,
    seq              bigint      NOT NULL,
    epoch            bigint      NOT NULL,
    decided_at       timestamptz NOT NULL,
    minute           integer     NOT NULL,
    day              date        NOT NULL,
    origin_seq       bigint      NOT NULL,
    order_id         uuid        NOT NULL,
    kind             smallint    NOT NULL,
    streamer_id      uuid        NOT NULL,
    agency_id        uuid,
    contract_version integer     NOT NULL,
    paid_coins       bigint      NOT NULL,
    promo_coins      bigint      NOT NULL,
    gross_paid       bigint      NOT NULL,
    gross_promo      bigint      NOT NULL,
    streamer         bigint      NOT NULL,
    agency           bigint      NOT NULL,
    platform         bigint      NOT NULL,
    tax              bigint      NOT NULL,
    PRIMARY KEY (partition, seq),
    CONSTRAINT items_live_ids_are_v7 CHECK (get_byte(uuid_send(order_id), 6) / 16 = 7),
    CONSTRAINT items_one_per_order_row UNIQUE (partition, origin_seq),
    CONSTRAINT items_seq_from_one CHECK (seq >= 1 AND partition BETWEEN 0 AND 63),
    CONSTRAINT items_kind_known CHECK (kind IN (1, 2)),
    CONSTRAINT items_coins_not_negative CHECK (paid_coins >= 0 AND promo_coins >= 0),
    CONSTRAINT items_split_sums_to_the_gross
        CHECK (gross_paid + gross_promo = streamer + agency + platform + tax),
    CONSTRAINT items_settled_gives_reversed_takes CHECK (
        CASE kind WHEN 1 THEN gross_paid >= 0 AND gross_promo >= 0 AND streamer >= 0 AND agency >= 0 AND tax >= 0
                  ELSE gross_paid <= 0 AND gross_promo <= 0 END),
    CONSTRAINT items_agency_share_needs_an_agency CHECK (agency_id IS NOT NULL OR agency = 0)
);
CREATE UNIQUE INDEX items_settled_once ON items (order_id) WHERE kind = 1;
CREATE INDEX items_reversed ON items (order_id) WHERE kind = 2;
CREATE INDEX items_by_minute ON items (partition, minute);

-- Netted earnings: a few rows a day for the hottest streamer. Payee kinds: 1 streamer, 2 agency, 3 platform,
-- 4 tax (the last two have the nil id).
CREATE TABLE earnings (
    payee_kind     smallint NOT NULL,
    payee_id       uuid     NOT NULL,
    day            date     NOT NULL,
    partition      smallint NOT NULL,
    gross_micro    bigint   NOT NULL,
    share_micro    bigint   NOT NULL,
    clawback_micro bigint   NOT NULL,
    settled_count  bigint   NOT NULL,
    reversed_count bigint   NOT NULL,
    PRIMARY KEY (payee_kind, payee_id, day, partition),
    CONSTRAINT earnings_payee_known CHECK (payee_kind BETWEEN 1 AND 4),
    CONSTRAINT earnings_counts_not_negative CHECK (settled_count >= 0 AND reversed_count >= 0)
) WITH (fillfactor = 50);
CREATE INDEX earnings_by_day ON earnings (day, payee_kind, payee_id);

-- One per payee and day with earnings, rounded once; what is left under a minor unit goes on to the next.
CREATE TABLE statements (
    payee_kind      smallint    NOT NULL,
    payee_id        uuid        NOT NULL,
    day             date        NOT NULL,
    gross_micro     bigint      NOT NULL,
    share_micro     bigint      NOT NULL,
    clawback_micro  bigint      NOT NULL,
    settled_count   bigint      NOT NULL,
    reversed_count  bigint      NOT NULL,
    carry_in_micro  bigint      NOT NULL,
    payable_minor   bigint      NOT NULL,
    carry_out_micro bigint      NOT NULL,
    finalised_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (payee_kind, payee_id, day),
    CONSTRAINT statements_lose_nothing CHECK (
        carry_in_micro + share_micro + clawback_micro = payable_minor * 1000000 + carry_out_micro),
    CONSTRAINT statements_carry_under_a_minor_unit CHECK (
        carry_in_micro BETWEEN 0 AND 999999 AND carry_out_micro BETWEEN 0 AND 999999)
);

-- Days whose statements are all made.
CREATE TABLE finalised_days (
    day          date        NOT NULL PRIMARY KEY,
    statements   bigint      NOT NULL,
    finalised_at timestamptz NOT NULL DEFAULT now()
);
