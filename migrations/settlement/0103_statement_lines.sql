-- Statements have a line for each streamer and version of a contract, and every line opens its orders.

-- Earnings are netted by streamer and version too, for the platform and the tax under the nil id and version 0.
-- Days from before have one line without a version.
ALTER TABLE earnings
    ADD COLUMN streamer_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN contract_version integer NOT NULL DEFAULT 0;
ALTER TABLE earnings DROP CONSTRAINT earnings_pkey;
ALTER TABLE earnings ADD PRIMARY KEY (payee_kind, payee_id, day, partition, streamer_id, contract_version);

-- Items that came after their day was sealed, and the day whose statement they count in.
CREATE TABLE late_items (
    partition  smallint NOT NULL,
    seq        bigint   NOT NULL,
    earned_day date     NOT NULL,
    PRIMARY KEY (partition, seq)
);
CREATE INDEX late_items_by_day ON late_items (earned_day, partition, seq);

-- What a statement's line opens.
CREATE INDEX items_by_streamer ON items (streamer_id, day, partition, seq);

-- The statements of a day, page by page.
CREATE INDEX statements_by_day ON statements (day, payee_kind, payee_id);
