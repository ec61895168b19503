-- The catalogue, rooms, and how each accepted gift ended.

-- One row: the versions of the two slow-changing tables. A write takes the row first, so writers queue here.
CREATE TABLE shelf_versions (
    only_row          boolean NOT NULL DEFAULT true PRIMARY KEY,
    catalogue_version bigint  NOT NULL,
    rooms_version     bigint  NOT NULL,
    CONSTRAINT shelf_versions_is_one_row CHECK (only_row)
);
INSERT INTO shelf_versions (catalogue_version, rooms_version) VALUES (0, 0);

-- Every version of every gift; the newest of each is on the shelf.
CREATE TABLE gifts (
    gift_id    bigint      NOT NULL,
    version    bigint      NOT NULL,
    gift       jsonb       NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gift_id, version),
    CONSTRAINT gifts_id_fits CHECK (gift_id BETWEEN 1 AND 4294967295)
);

CREATE TABLE rooms (
    room_id     uuid        NOT NULL PRIMARY KEY,
    streamer_id uuid        NOT NULL,
    title       text        NOT NULL,
    state       smallint    NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rooms_state_known CHECK (state IN (0, 1)),
    CONSTRAINT rooms_title_is_short CHECK (char_length(title) BETWEEN 1 AND 64)
);

-- Gift nodes, one row per boot. A node whose lease has ended shows nothing any more.
CREATE TABLE nodes (
    node         text        NOT NULL PRIMARY KEY,
    leased_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The log gift.orders: how each accepted debit ended, and what came back.
CREATE TABLE orders (
    partition   smallint    NOT NULL,
    seq         bigint      NOT NULL,
    epoch       bigint      NOT NULL,
    decided_at  timestamptz NOT NULL,
    minute      integer     NOT NULL,
    day         date        NOT NULL,
    origin_seq  bigint      NOT NULL,
    order_id    uuid        NOT NULL,
    kind        smallint    NOT NULL,
    viewer_id   uuid        NOT NULL,
    room_id     uuid        NOT NULL,
    streamer_id uuid        NOT NULL,
    gift_id     bigint      NOT NULL,
    quantity    bigint      NOT NULL,
    paid_coins  bigint      NOT NULL,
    promo_coins bigint      NOT NULL,
    PRIMARY KEY (partition, seq),
    CONSTRAINT orders_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT orders_kind_known CHECK (kind BETWEEN 1 AND 4),
    CONSTRAINT orders_derive_from_an_entry CHECK (origin_seq >= 1),
    CONSTRAINT orders_quantity_positive CHECK (quantity BETWEEN 1 AND 4294967295),
    CONSTRAINT orders_coins_not_negative CHECK (paid_coins >= 0 AND promo_coins >= 0),
    CONSTRAINT orders_live_ids_are_v7 CHECK (get_byte(uuid_send(order_id), 6) / 16 = 7)
);
-- Delivered or refunding, one of them, once; and each refund of it, in whole or in part, comes back once.
CREATE UNIQUE INDEX orders_end_once ON orders (order_id) WHERE kind IN (1, 2);
CREATE UNIQUE INDEX orders_come_back_once ON orders (order_id, origin_seq) WHERE kind IN (3, 4);
-- The day's ranks are rebuilt from this after a restart.
CREATE INDEX orders_by_day ON orders USING brin (day);

-- Entries applied whose order is not decided yet: a debit without a report, or a refund that waits behind it.
CREATE TABLE pending_orders (
    partition   smallint    NOT NULL,
    entry_seq   bigint      NOT NULL,
    order_id    uuid        NOT NULL,
    kind        smallint    NOT NULL,
    node        text        NOT NULL,
    decided_at  timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    late        boolean     NOT NULL DEFAULT false,
    entry       jsonb       NOT NULL,
    PRIMARY KEY (partition, entry_seq),
    CONSTRAINT pending_orders_kind_known CHECK (kind IN (1, 2))
);
CREATE UNIQUE INDEX pending_orders_wait_once ON pending_orders (order_id) WHERE kind = 1;
CREATE INDEX pending_orders_of_order ON pending_orders (order_id) WHERE kind = 2;

-- Refunds owed for orders that will never be shown: written with the order's row, gone when the coins are back.
CREATE TABLE refunds_due (
    order_id   uuid     NOT NULL PRIMARY KEY,
    partition  smallint NOT NULL,
    viewer_id  uuid     NOT NULL,
    -- The wallet's answer, once there is one: the entry that follows it removes the row.
    outcome    smallint
);
