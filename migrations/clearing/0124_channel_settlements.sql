-- What channels have paid to us, posted by a match with a bank's statement instead of two people's word.
ALTER TABLE adjustments
    ALTER COLUMN break_id DROP NOT NULL,
    ALTER COLUMN maker_id DROP NOT NULL,
    ALTER COLUMN checker_id DROP NOT NULL,
    -- The match of reconciliation.
    ADD COLUMN match_id uuid,
    DROP CONSTRAINT adjustments_rule_known,
    ADD CONSTRAINT adjustments_rule_known
        CHECK (rule IN ('clearing.repair', 'clearing.adjust', 'clearing.channel_settlement')),
    -- Either two people and a break, or a match.
    ADD CONSTRAINT adjustments_by_people_or_a_match CHECK (
        (rule = 'clearing.channel_settlement') = (match_id IS NOT NULL)
        AND (match_id IS NULL) = (break_id IS NOT NULL)
        AND (match_id IS NULL) = (maker_id IS NOT NULL)
        AND (match_id IS NULL) = (checker_id IS NOT NULL));
