-- The sequenced log's own tables, one set in each service's schema.

-- Who may write each partition, and how far it is.
CREATE TABLE log_heads (
    log             text        NOT NULL,
    partition       smallint    NOT NULL,
    epoch           bigint      NOT NULL,
    last_seq        bigint      NOT NULL,
    last_decided_at timestamptz NOT NULL,
    closed_until    timestamptz NOT NULL,
    relayed_seq     bigint      NOT NULL,
    owner           text        NOT NULL,
    PRIMARY KEY (log, partition),
    CONSTRAINT log_heads_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT log_heads_seq_not_negative CHECK (last_seq >= 0),
    CONSTRAINT log_heads_relayed_what_exists CHECK (relayed_seq BETWEEN 0 AND last_seq)
) WITH (fillfactor = 50);

-- Ends a statement in which a writer did not advance every head that it meant to: it was deposed there. DETAIL
-- names the partitions.
CREATE FUNCTION log_all_advanced(wanted smallint[], advanced smallint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(wanted) IS DISTINCT FROM cardinality(advanced) THEN
        RAISE EXCEPTION 'another writer holds these partitions' USING
            ERRCODE = 'LG001',
            DETAIL = array_to_string(ARRAY(SELECT unnest(wanted) EXCEPT SELECT unnest(advanced)), ',');
    END IF;
    RETURN true;
END $$;

-- Where each writer's reign began: its rows have a seq from first_seq on.
CREATE TABLE log_epochs (
    log       text        NOT NULL,
    partition smallint    NOT NULL,
    epoch     bigint      NOT NULL,
    first_seq bigint      NOT NULL,
    owner     text        NOT NULL,
    taken_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log, partition, epoch)
);

-- How far each reader of other services' logs has applied; moves only with the effect.
CREATE TABLE read_offsets (
    reader     text     NOT NULL,
    log        text     NOT NULL,
    partition  smallint NOT NULL,
    epoch      bigint   NOT NULL,
    seq        bigint   NOT NULL,
    PRIMARY KEY (reader, log, partition),
    CONSTRAINT read_offsets_seq_not_negative CHECK (seq >= 0)
) WITH (fillfactor = 50);

-- Partitions a reader gave up on, loudly: the row it could not apply, or the fork it found.
CREATE TABLE reader_stops (
    reader     text        NOT NULL,
    log        text        NOT NULL,
    partition  smallint    NOT NULL,
    seq        bigint      NOT NULL,
    reason     text        NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reader, log, partition)
);
