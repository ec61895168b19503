-- Breaks worked on by people: who has one, what is proposed and decided, what was done, and the trail of all of it.

ALTER TABLE breaks
    DROP CONSTRAINT breaks_state_known,
    -- 8 waiting: until a day, as two people agreed.
    ADD CONSTRAINT breaks_state_known CHECK (state BETWEEN 1 AND 8),
    -- Counts steps: a step is taken on the version it was decided on, or not at all.
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    -- 1 low, 2 medium, 3 high, 4 critical; by coins and age, as the settings say.
    ADD COLUMN severity smallint NOT NULL DEFAULT 1,
    -- When it should be closed, by its severity.
    ADD COLUMN due_at timestamptz,
    ADD COLUMN assignee_id uuid,
    ADD COLUMN waits_until timestamptz,
    ADD COLUMN closed_at timestamptz,
    -- 1 the logs agree, 2 the effect is proven, 3 written off.
    ADD COLUMN closed_why smallint,
    -- The first break about this fact, where this one is not the first.
    ADD COLUMN reopens_id uuid REFERENCES breaks (break_id),
    ADD CONSTRAINT breaks_severity_known CHECK (severity BETWEEN 1 AND 4),
    ADD CONSTRAINT breaks_version_positive CHECK (version > 0),
    ADD CONSTRAINT breaks_closed_why_known CHECK (closed_why BETWEEN 1 AND 3),
    ADD CONSTRAINT breaks_closed_say_when_and_why CHECK (
        (state = 7) = (closed_at IS NOT NULL) AND (state = 7) = (closed_why IS NOT NULL)),
    ADD CONSTRAINT breaks_waiting_say_until_when CHECK ((state = 8) = (waits_until IS NOT NULL)),
    ADD CONSTRAINT breaks_worked_on_have_somebody CHECK (state NOT IN (3, 4) OR assignee_id IS NOT NULL);

-- However often a fact comes back, one break about it is open.
CREATE UNIQUE INDEX breaks_one_open_per_fact ON breaks (coalesce(reopens_id, break_id)) WHERE state <> 7;

-- The way of the timers and of the lists of open work.
CREATE INDEX breaks_not_closed ON breaks (break_no) WHERE state <> 7;

-- What people said. Never changed.
CREATE TABLE break_comments (
    comment_no bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    break_id   uuid        NOT NULL REFERENCES breaks (break_id),
    author_id  uuid        NOT NULL,
    text       text        NOT NULL,
    said_at    timestamptz NOT NULL,
    CONSTRAINT break_comments_say_something CHECK (length(text) BETWEEN 1 AND 4000)
);
CREATE INDEX break_comments_by_break ON break_comments (break_id, comment_no);

-- What is to be done about a break: proposed once, decided once.
CREATE TABLE proposals (
    proposal_id    uuid        PRIMARY KEY,
    break_id       uuid        NOT NULL REFERENCES breaks (break_id),
    maker_id       uuid        NOT NULL,
    action         text        NOT NULL,
    -- The action with everything its command needs.
    parameters     jsonb       NOT NULL,
    reason         text        NOT NULL,
    -- SHA-256 over break, maker, action, parameters and reason.
    digest         bytea       NOT NULL,
    proposed_at    timestamptz NOT NULL,
    -- 1 approved, 2 rejected, 3 withdrawn because the break cleared by itself.
    decision       smallint,
    checker_id     uuid,
    -- The healing rule that stands for the checker of what nobody proposed.
    rule           text,
    decided_digest bytea,
    decision_reason text,
    decided_at     timestamptz,
    CONSTRAINT proposals_checker_is_not_the_maker CHECK (checker_id <> maker_id),
    CONSTRAINT proposals_decision_known CHECK (decision BETWEEN 1 AND 3),
    CONSTRAINT proposals_decided_say_when CHECK ((decision IS NULL) = (decided_at IS NULL)),
    CONSTRAINT proposals_undecided_have_no_checker CHECK (decision IS NOT NULL OR checker_id IS NULL),
    -- Approved by another person or by a rule, and never by both.
    CONSTRAINT proposals_approved_by_somebody CHECK (
        decision IS DISTINCT FROM 1 OR (checker_id IS NULL) <> (rule IS NULL)),
    CONSTRAINT proposals_rejected_by_somebody CHECK (decision IS DISTINCT FROM 2 OR checker_id IS NOT NULL),
    -- Who decides has seen exactly this.
    CONSTRAINT proposals_decided_as_proposed CHECK (
        decision IS NULL OR decision = 3 OR decided_digest IS NOT DISTINCT FROM digest)
);
-- One undecided proposal a break.
CREATE UNIQUE INDEX proposals_one_undecided ON proposals (break_id) WHERE decision IS NULL;
CREATE INDEX proposals_by_break ON proposals (break_id, proposed_at);
-- What healing did lately, for its caps.
CREATE INDEX proposals_healed ON proposals (decided_at) WHERE rule IS NOT NULL;

-- The one command an approved proposal causes, and the proof that it did.
CREATE TABLE break_effects (
    proposal_id uuid        PRIMARY KEY REFERENCES proposals (proposal_id),
    break_id    uuid        NOT NULL REFERENCES breaks (break_id),
    -- Follows from the proposal, so that asking again changes nothing.
    request_id  uuid        NOT NULL,
    -- 1 to be done, 2 done, 3 refused for good.
    outcome     smallint    NOT NULL DEFAULT 1,
    attempts    integer     NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL,
    last_error  text,
    -- What the owning service answered.
    proof       jsonb,
    ended_at    timestamptz,
    CONSTRAINT break_effects_outcome_known CHECK (outcome BETWEEN 1 AND 3),
    CONSTRAINT break_effects_done_are_proven CHECK (outcome <> 2 OR proof IS NOT NULL),
    CONSTRAINT break_effects_attempts_not_negative CHECK (attempts >= 0)
);
CREATE INDEX break_effects_to_do ON break_effects (next_at) WHERE outcome = 1;

-- Answers by the key they were asked for under: a repeat gets the same one.
CREATE TABLE desk_requests (
    request_key uuid        PRIMARY KEY,
    actor_id    uuid        NOT NULL,
    body_hash   bigint      NOT NULL,
    answer      jsonb,
    asked_at    timestamptz NOT NULL DEFAULT now()
);

-- The trail: one chain over every step of every break. hash = SHA-256(previous || canonical JSON of the row).
CREATE TABLE audit_trail (
    seq      bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    -- A person's id, or `recon` for what it does by itself.
    actor    text        NOT NULL,
    act      text        NOT NULL,
    -- What it is about: a break's id.
    subject  text        NOT NULL,
    body     jsonb       NOT NULL,
    previous bytea       NOT NULL,
    hash     bytea       NOT NULL,
    CONSTRAINT audit_trail_counts_from_one CHECK (seq >= 1),
    CONSTRAINT audit_trail_hashes_are_whole CHECK (length(previous) = 32 AND length(hash) = 32)
);
CREATE INDEX audit_trail_by_subject ON audit_trail (subject, seq);

-- The end of the chain: locked by whoever appends, so that seqs have no gap, and compared by whoever verifies, so
-- that a cut tail shows.
CREATE TABLE audit_head (
    only_one boolean PRIMARY KEY DEFAULT true,
    seq      bigint  NOT NULL,
    hash     bytea   NOT NULL,
    CONSTRAINT audit_head_is_one_row CHECK (only_one),
    CONSTRAINT audit_head_hash_is_whole CHECK (length(hash) = 32)
);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- Rows that nobody changes.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed (%)', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_trail_only_grows BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_trail_is_not_emptied BEFORE TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER break_comments_only_grow BEFORE UPDATE OR DELETE ON break_comments
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER break_comments_are_not_emptied BEFORE TRUNCATE ON break_comments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposals_are_not_deleted BEFORE DELETE ON proposals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposals_are_not_emptied BEFORE TRUNCATE ON proposals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_head_is_not_deleted BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A proposal stays as it was made, and a decision as it was taken.
CREATE FUNCTION keep_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.decision IS NOT NULL
       OR (OLD.proposal_id, OLD.break_id, OLD.maker_id, OLD.action, OLD.parameters, OLD.reason, OLD.digest,
           OLD.proposed_at)
          IS DISTINCT FROM
          (NEW.proposal_id, NEW.break_id, NEW.maker_id, NEW.action, NEW.parameters, NEW.reason, NEW.digest,
           NEW.proposed_at)
    THEN
        RAISE EXCEPTION 'a proposal is made once and decided once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER proposals_are_decided_once BEFORE UPDATE ON proposals
    FOR EACH ROW EXECUTE FUNCTION keep_proposal();

-- The head of the chain only advances.
CREATE FUNCTION keep_audit_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <= OLD.seq THEN
        RAISE EXCEPTION 'the head of the trail only advances' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_head_only_advances BEFORE UPDATE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION keep_audit_head();
