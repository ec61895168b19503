-- Payouts as the daily run first read them: what a bank's statement is matched with, beside the channels' money.

-- One row for each movement that a bank may show of a payout: of one that was paid, the money that left; of one that
-- was sent back, the money that may have left and come back.
CREATE TABLE payout_lines (
    -- `<line>/paid`, `<line>/out` or `<line>/back`.
    payout_id    text     PRIMARY KEY,
    line_id      uuid     NOT NULL,
    -- 1 paid, 2 sent back.
    outcome      smallint NOT NULL,
    partition    smallint NOT NULL,
    seq          bigint   NOT NULL,
    day          date     NOT NULL,
    payee_id     uuid     NOT NULL,
    -- Minor units; negative where money left us.
    amount_minor bigint   NOT NULL,
    currency     text     NOT NULL,
    CONSTRAINT payout_lines_outcome_known CHECK (outcome IN (1, 2)),
    CONSTRAINT payout_lines_move_something CHECK (amount_minor <> 0)
);
CREATE INDEX payout_lines_by_day ON payout_lines (day, payout_id);
CREATE TRIGGER payout_lines_stay BEFORE UPDATE OR DELETE ON payout_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_lines_are_not_emptied BEFORE TRUNCATE ON payout_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The shipped rules of statements know payouts by the id that their payment order gave them. Rules that people have
-- agreed on stay as they are: a pass like `payout` is theirs to propose.
INSERT INTO matching_rules (scope, version, rules, state, reason, decided_at)
SELECT 2, 2, jsonb_set(jsonb_set(rules, '{version}', '2'), '{passes}',
    '[{ "name": "payout", "act": { "date_lag": { "by": ["second_reference"], "min_days": 0, "max_days": 5,
        "direction": "either" } } }]'::jsonb || (rules -> 'passes')), 2, 'shipped: payouts', now()
FROM matching_rules WHERE scope = 2 AND version = 1
    AND NOT EXISTS (SELECT FROM matching_rules WHERE scope = 2 AND version > 1);
