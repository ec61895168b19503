-- Refunds that people ask for: one case for a single order, a file, or the gifts of a minor; made by one person and
-- approved by another. A case is a list of lines, one per order, each refunded once under its own request id.

CREATE TABLE refund_cases (
    case_id    uuid        NOT NULL PRIMARY KEY,
    -- 1 an agent's, 2 a file, 3 a minor's gifts.
    kind       smallint    NOT NULL,
    -- What was asked for under this id: another body is refused.
    body_hash  bigint      NOT NULL,
    made_by    uuid        NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    reason     text        NOT NULL,
    -- 1 waits for another person, 2 approved and being done, 3 refused, 4 done.
    state      smallint    NOT NULL DEFAULT 1,
    decided_by uuid,
    decided_at timestamptz,
    ended_at   timestamptz,
    line_count integer     NOT NULL,
    -- Of a minor's case: whose gifts, of which period, and how far their money is on its way back.
    viewer_id  uuid,
    from_at    timestamptz,
    to_at      timestamptz,
    money      jsonb,
    money_error text,
    CONSTRAINT refund_cases_kind_known CHECK (kind BETWEEN 1 AND 3),
    CONSTRAINT refund_cases_state_known CHECK (state BETWEEN 1 AND 4),
    CONSTRAINT refund_cases_say_why CHECK (length(reason) BETWEEN 1 AND 2000),
    CONSTRAINT refund_cases_have_lines CHECK (line_count >= 1),
    CONSTRAINT refund_cases_decided_by_somebody
        CHECK ((state = 1) = (decided_by IS NULL) AND (state = 1) = (decided_at IS NULL)),
    CONSTRAINT refund_cases_decided_by_another CHECK (decided_by <> made_by),
    CONSTRAINT refund_cases_of_minors_have_a_period CHECK (
        (kind = 3) = (viewer_id IS NOT NULL) AND (kind = 3) = (from_at IS NOT NULL)
        AND (kind = 3) = (to_at IS NOT NULL) AND (kind <> 3 OR from_at < to_at))
);
CREATE INDEX refund_cases_by_kind ON refund_cases (kind, case_id DESC);
CREATE INDEX refund_cases_under_way ON refund_cases (case_id) WHERE state = 2;

CREATE TABLE refund_lines (
    case_id      uuid        NOT NULL REFERENCES refund_cases (case_id),
    -- The file's line; from 1 in other cases.
    line         integer     NOT NULL,
    order_id     uuid        NOT NULL,
    viewer_id    uuid        NOT NULL,
    streamer_id  uuid        NOT NULL,
    -- Missing: all that is left when it is done.
    amount_coins bigint,
    -- What it would have given back when it was asked for.
    asked_coins  bigint      NOT NULL,
    reason       text        NOT NULL,
    -- The wallet's request id: made with the approval, so that whoever sends it sends the same.
    request_id   uuid,
    -- The wallet's answer, by its slug; `accepted` where coins came back.
    outcome      text,
    paid_coins   bigint      NOT NULL DEFAULT 0,
    promo_coins  bigint      NOT NULL DEFAULT 0,
    attempts     integer     NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    last_error   text,
    ended_at     timestamptz,
    PRIMARY KEY (case_id, line),
    CONSTRAINT refund_lines_name_an_order_once UNIQUE (case_id, order_id),
    CONSTRAINT refund_lines_request_is_one UNIQUE (request_id),
    CONSTRAINT refund_lines_line_from_one CHECK (line >= 1),
    CONSTRAINT refund_lines_amount_above_zero CHECK (amount_coins > 0 AND asked_coins > 0),
    CONSTRAINT refund_lines_ended_say_how CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT refund_lines_ended_were_sent CHECK (outcome IS NULL OR request_id IS NOT NULL),
    CONSTRAINT refund_lines_only_accepted_move_coins
        CHECK (outcome = 'accepted' OR (paid_coins = 0 AND promo_coins = 0)),
    CONSTRAINT refund_lines_coins_not_negative CHECK (paid_coins >= 0 AND promo_coins >= 0)
);
CREATE INDEX refund_lines_to_do ON refund_lines (next_at) WHERE outcome IS NULL AND request_id IS NOT NULL;
CREATE INDEX refund_lines_of_order ON refund_lines (order_id);

-- A case stays as it was made, and a decision as it was taken.
CREATE FUNCTION keep_refund_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.case_id, OLD.kind, OLD.body_hash, OLD.made_by, OLD.made_at, OLD.reason, OLD.line_count)
           IS DISTINCT FROM (NEW.case_id, NEW.kind, NEW.body_hash, NEW.made_by, NEW.made_at, NEW.reason, NEW.line_count)
       OR (OLD.viewer_id, OLD.from_at, OLD.to_at) IS DISTINCT FROM (NEW.viewer_id, NEW.from_at, NEW.to_at)
       OR (OLD.state <> 1 AND (OLD.decided_by, OLD.decided_at) IS DISTINCT FROM (NEW.decided_by, NEW.decided_at))
       OR (OLD.state IN (3, 4) AND NEW.state <> OLD.state)
    THEN
        RAISE EXCEPTION 'a refund case is made once and decided once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_cases_are_decided_once BEFORE UPDATE ON refund_cases
    FOR EACH ROW EXECUTE FUNCTION keep_refund_case();

-- Refunds in the wallet's log of orders that gift knows nothing of: put aside, so that no such entry ever stops the
-- orders behind it. Reconciliation reports each as a missing return.
CREATE TABLE strange_refunds (
    partition smallint    NOT NULL,
    entry_seq bigint      NOT NULL,
    order_id  uuid        NOT NULL,
    entry     jsonb       NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, entry_seq)
);
