-- What channels have paid to us, as banks' statements show it: one row for each match of payments with lines of a
-- statement, and one that takes it back where a later run of the day no longer makes the match.
CREATE TABLE channel_settlements (
    settlement_no bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    match_id      uuid        NOT NULL,
    -- From 1: odd where the match was made, even where it was taken back.
    turn          integer     NOT NULL,
    channel       text        NOT NULL,
    -- The day whose run made the match.
    run_day       date        NOT NULL,
    -- That of the statement's newest line.
    day           date        NOT NULL,
    -- What the payments sum to and what the bank shows; both below zero where it is taken back.
    gross_minor   bigint      NOT NULL,
    net_minor     bigint      NOT NULL,
    currency      text        NOT NULL,
    payments      bigint      NOT NULL,
    -- Under which clearing is asked for the voucher.
    request_id    uuid        NOT NULL UNIQUE,
    asked_at      timestamptz NOT NULL DEFAULT now(),
    -- The voucher, once it is posted.
    partition     smallint,
    voucher_seq   bigint,
    posted_day    date,
    -- When it is asked for again, and why it was not posted the last time.
    attempts      integer     NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL DEFAULT now(),
    last_error    text,
    PRIMARY KEY (match_id, turn),
    CONSTRAINT channel_settlements_turn_from_one CHECK (turn >= 1),
    CONSTRAINT channel_settlements_move_something CHECK (gross_minor <> 0 OR net_minor <> 0),
    CONSTRAINT channel_settlements_posted_say_where CHECK (num_nulls(partition, voucher_seq, posted_day) IN (0, 3))
);
CREATE INDEX channel_settlements_to_post ON channel_settlements (next_at) WHERE voucher_seq IS NULL;
CREATE INDEX channel_settlements_of_day ON channel_settlements (run_day, channel, settlement_no);

CREATE FUNCTION keep_settlements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.voucher_seq IS NOT NULL
        OR (OLD.match_id, OLD.turn, OLD.channel, OLD.run_day, OLD.day, OLD.gross_minor, OLD.net_minor, OLD.currency,
            OLD.payments, OLD.request_id)
        IS DISTINCT FROM (NEW.match_id, NEW.turn, NEW.channel, NEW.run_day, NEW.day, NEW.gross_minor, NEW.net_minor,
            NEW.currency, NEW.payments, NEW.request_id)
    THEN
        RAISE EXCEPTION 'a settlement is posted once and stays as it is' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER channel_settlements_are_posted_once BEFORE UPDATE ON channel_settlements
    FOR EACH ROW EXECUTE FUNCTION keep_settlements();
CREATE TRIGGER channel_settlements_are_not_deleted BEFORE DELETE ON channel_settlements
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
