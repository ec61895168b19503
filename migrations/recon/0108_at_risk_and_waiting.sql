-- Money outside that a break is about, in minor units, kept beside its evidence: what is at risk is summed over all that is open.
ALTER TABLE breaks ADD COLUMN amount_minor bigint GENERATED ALWAYS AS ((evidence ->> 'amount_minor')::bigint) STORED;

-- What is open, counted by kind and age without its evidence.
DROP INDEX breaks_not_closed_by_kind;
CREATE INDEX breaks_not_closed_by_kind ON breaks (kind, severity, state, detected_at)
    INCLUDE (due_at, coins, amount_minor) WHERE state <> 7;

-- What waits for a checker, the oldest first.
CREATE INDEX proposals_waiting ON proposals (proposed_at, proposal_id) WHERE decision IS NULL;
