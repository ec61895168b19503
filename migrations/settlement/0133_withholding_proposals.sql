-- Rules of withholding are proposed by one person and put in force, from a day to come, by another. One in force stays as
-- it is: another begins on a later day.
CREATE TABLE withholding_proposals (
    proposal_id uuid        NOT NULL PRIMARY KEY,
    payee_kind  smallint    NOT NULL,
    valid_from  date        NOT NULL,
    -- Name, method and figures, as they were proposed.
    rule        jsonb       NOT NULL,
    reason      text        NOT NULL,
    -- 1 waiting, 2 approved, 3 refused.
    state       smallint    NOT NULL DEFAULT 1,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    decided_by  text,
    decided_at  timestamptz,
    -- What it became.
    rule_id     integer     UNIQUE REFERENCES withholding_rules (rule_id),
    CONSTRAINT withholding_proposals_known CHECK (payee_kind IN (1, 2) AND state IN (1, 2, 3)),
    CONSTRAINT withholding_proposals_say_why CHECK (length(reason) BETWEEN 1 AND 4000),
    CONSTRAINT withholding_proposals_approved_by_another CHECK (state <> 2 OR decided_by <> created_by),
    CONSTRAINT withholding_proposals_decided_by_somebody
        CHECK ((state = 1) = (decided_by IS NULL) AND (state = 1) = (decided_at IS NULL)),
    CONSTRAINT withholding_proposals_approved_are_rules CHECK ((state = 2) = (rule_id IS NOT NULL))
);
-- One of a kind of payees and day is undecided.
CREATE UNIQUE INDEX withholding_proposals_one_undecided ON withholding_proposals (payee_kind, valid_from)
    WHERE state = 1;

CREATE FUNCTION keep_withholding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rules of withholding stay as they are' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER withholding_rules_stay BEFORE UPDATE OR DELETE ON withholding_rules
    FOR EACH ROW EXECUTE FUNCTION keep_withholding();
CREATE TRIGGER withholding_brackets_stay BEFORE UPDATE OR DELETE ON withholding_brackets
    FOR EACH ROW EXECUTE FUNCTION keep_withholding();
CREATE TRIGGER withholding_proposals_stay BEFORE DELETE ON withholding_proposals
    FOR EACH ROW EXECUTE FUNCTION keep_withholding();

CREATE FUNCTION decide_withholding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 1 OR (OLD.proposal_id, OLD.payee_kind, OLD.valid_from, OLD.rule, OLD.reason, OLD.created_by)
        IS DISTINCT FROM (NEW.proposal_id, NEW.payee_kind, NEW.valid_from, NEW.rule, NEW.reason, NEW.created_by)
    THEN
        RAISE EXCEPTION 'a rule of withholding is proposed once and decided once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER withholding_proposals_are_decided_once BEFORE UPDATE ON withholding_proposals
    FOR EACH ROW EXECUTE FUNCTION decide_withholding();
