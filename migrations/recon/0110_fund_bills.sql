-- A channel's fund bill is matched, too: with the payments that its trade bill is matched with.

ALTER TABLE matching_rules DROP CONSTRAINT matching_rules_scope_known;
ALTER TABLE matching_rules ADD CONSTRAINT matching_rules_scope_known CHECK (scope IN (1, 2, 3));

-- A balance moves on the day of the trade or up to three days away, by the very amount: nothing is tolerated.
INSERT INTO matching_rules (scope, version, rules, state, reason, decided_at) VALUES
(3, 1, '{
  "name": "fund-bills", "version": 1, "walls": "outside",
  "passes": [
    { "name": "exact", "act": { "exact": { "by": ["reference"] } } },
    { "name": "day-cut", "act": { "date_lag": { "by": ["reference"], "min_days": 0, "max_days": 3, "direction": "either" } } }
  ]
}', 2, 'shipped: fund bills', now());

-- Breaks about a payment or a bill's row, a fund bill's among them.
DROP INDEX breaks_by_what_they_name;
CREATE INDEX breaks_by_what_they_name ON breaks
    USING gin (jsonb_path_query_array(evidence, '$.** ? (@.type() == "string")') jsonb_path_ops)
    WHERE logs LIKE ANY (ARRAY['channel.%', 'bank.%', 'funds.%', 'payments_entries', 'cashier.payments']);

-- What a fund bill's fee is about, and the trade whose fee it is: found by their number.
CREATE INDEX bill_rows_of_funds ON bill_rows (channel, (coalesce(nullif(about_ref, ''), channel_ref)), day) WHERE scope = 3;
CREATE INDEX bill_rows_of_trades ON bill_rows (channel, channel_ref, day) WHERE scope = 1;
