-- What pages read of long tables, found without reading all of them.

-- Which channels a day's payments came through, beside the payments of every other day.
CREATE INDEX payment_lines_by_own_day ON payment_lines (channel, day);

-- Breaks about one order, however many there are about others.
CREATE INDEX breaks_of_order ON breaks (order_id) WHERE order_id IS NOT NULL;

-- What is open, counted by kind and age without its evidence.
CREATE INDEX breaks_not_closed_by_kind ON breaks (kind, severity, state, detected_at) INCLUDE (due_at, coins)
    WHERE state <> 7;
