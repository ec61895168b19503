-- Breaks about a payment or a bill's row, by whatever text their evidence names, however many breaks there are.
CREATE INDEX breaks_by_what_they_name ON breaks
    USING gin (jsonb_path_query_array(evidence, '$.** ? (@.type() == "string")') jsonb_path_ops)
    WHERE logs LIKE ANY (ARRAY['channel.%', 'bank.%', 'payments_entries', 'cashier.payments']);
