-- Items that are made anew because reconciliation found that they are missing, and refunds that wait for such an item.

-- What was asked for, once per id; the one writer of the partition's items does it.
CREATE TABLE resettlements (
    request_id uuid        NOT NULL PRIMARY KEY,
    order_id   uuid        NOT NULL,
    partition  smallint    NOT NULL,
    -- The row of gift.orders, whole, as it was read when this was asked for.
    order_seq  bigint      NOT NULL,
    order_row  jsonb       NOT NULL,
    -- 1 to be done, 2 done, 3 refused.
    state      smallint    NOT NULL DEFAULT 1,
    item_seq   bigint,
    refusal    text,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    CONSTRAINT resettlements_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT resettlements_state_known CHECK (state BETWEEN 1 AND 3),
    CONSTRAINT resettlements_done_have_an_item CHECK ((state = 2) = (item_seq IS NOT NULL)),
    CONSTRAINT resettlements_refused_say_why CHECK ((state = 3) = (refusal IS NOT NULL)),
    CONSTRAINT resettlements_ended_say_when CHECK ((state = 1) = (ended_at IS NULL))
);
CREATE INDEX resettlements_due ON resettlements (partition) WHERE state = 1;

-- Refunds of delivered orders that have no item to reverse: put aside, so that no refund ever stops the orders behind
-- it. Reconciliation reports them; settling the order anew reverses them with it.
CREATE TABLE reversals_waiting (
    partition smallint    NOT NULL,
    order_seq bigint      NOT NULL,
    order_id  uuid        NOT NULL,
    order_row jsonb       NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, order_seq)
);
CREATE INDEX reversals_waiting_of_order ON reversals_waiting (order_id);
