-- The trail: one chain over every step that people take in this service. hash = SHA-256(previous || canonical JSON of
-- the row).
CREATE TABLE audit_trail (
    seq      bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    -- A person's id, or the service's name for what it does by itself.
    actor    text        NOT NULL,
    act      text        NOT NULL,
    -- What it is about, such as a case's id.
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

CREATE FUNCTION refuse_trail_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed (%)', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_trail_only_grows BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION refuse_trail_change();
CREATE TRIGGER audit_trail_is_not_emptied BEFORE TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_trail_change();
CREATE TRIGGER audit_head_is_not_deleted BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION refuse_trail_change();

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
