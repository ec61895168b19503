-- The sequenced log's own tables, one set in each service's schema.

-- Who may write each partition, and how far it is: a row a group of eight, because an append touches most of a
-- node's partitions and a row each would cost more than the rows appended. An element a partition, in their order;
-- epoch 0 is one that nobody has written yet. What an append changes is narrow and side by side.
CREATE TABLE log_head_groups (
    log             text          NOT NULL,
    part_group      smallint      NOT NULL,
    epochs          bigint[]      NOT NULL,
    owners          text[]        NOT NULL,
    closed_until    timestamptz[] NOT NULL,
    relayed_seqs    bigint[]      NOT NULL,
    last_seqs       bigint[]      NOT NULL,
    -- The latest of the group: time runs back in none of its partitions.
    last_decided_at timestamptz   NOT NULL,
    PRIMARY KEY (log, part_group),
    CONSTRAINT log_head_groups_group_exists CHECK (part_group BETWEEN 0 AND 7),
    CONSTRAINT log_head_groups_of_eight CHECK (
        cardinality(epochs) = 8 AND cardinality(owners) = 8 AND cardinality(closed_until) = 8
        AND cardinality(relayed_seqs) = 8 AND cardinality(last_seqs) = 8)
) WITH (fillfactor = 10);

-- The same, a row a partition that somebody has written. To look at; writers write the table.
CREATE VIEW log_heads AS
SELECT g.log, (g.part_group * 8 + h.slot - 1)::smallint AS partition, h.epoch, h.last_seq, g.last_decided_at,
    h.closed_until, h.relayed_seq, h.owner
FROM log_head_groups g
CROSS JOIN LATERAL unnest(g.epochs, g.last_seqs, g.closed_until, g.relayed_seqs, g.owners)
    WITH ORDINALITY AS h (epoch, last_seq, closed_until, relayed_seq, owner, slot)
WHERE h.epoch > 0;

-- A group's last seqs after an append of partitions[first] to partitions[last]. Raises where the writer was deposed:
-- DETAIL names the partitions.
CREATE FUNCTION log_advance(
    epochs bigint[], last_seqs bigint[], partitions smallint[], writer_epochs bigint[], expected_seqs bigint[],
    next_seqs bigint[], first integer, last integer
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    slot integer;
    lost text[] := '{}';
BEGIN
    FOR i IN first..last LOOP
        slot := partitions[i] % 8 + 1;
        IF epochs[slot] = writer_epochs[i] AND last_seqs[slot] = expected_seqs[i] THEN
            last_seqs[slot] := next_seqs[i];
        ELSE
            lost := lost || partitions[i]::text;
        END IF;
    END LOOP;
    IF lost <> '{}' THEN
        RAISE EXCEPTION 'another writer holds these partitions' USING
            ERRCODE = 'LG001', DETAIL = array_to_string(lost, ',');
    END IF;
    RETURN last_seqs;
END $$;

-- Ends an append: every group that it meant to advance was there. DETAIL names the partitions of those that were not.
CREATE FUNCTION log_all_advanced(partitions smallint[], wanted smallint[], advanced smallint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(wanted) IS DISTINCT FROM cardinality(advanced) THEN
        RAISE EXCEPTION 'nobody has taken these partitions' USING
            ERRCODE = 'LG001',
            DETAIL = array_to_string(ARRAY(
                SELECT p FROM unnest(partitions) p WHERE p / 8 <> ALL (coalesce(advanced, '{}'))), ',');
    END IF;
    RETURN true;
END $$;

-- A group's marks after those of partitions[first] to partitions[last], where the writer still holds them.
CREATE FUNCTION log_mark(
    epochs bigint[], last_seqs bigint[], INOUT closed timestamptz[], INOUT relayed bigint[], partitions smallint[],
    writer_epochs bigint[], until timestamptz[], upto bigint[], first integer, last integer
)
LANGUAGE plpgsql AS $$
DECLARE
    slot integer;
BEGIN
    FOR i IN first..last LOOP
        slot := partitions[i] % 8 + 1;
        IF epochs[slot] = writer_epochs[i] THEN
            closed[slot] := greatest(closed[slot], until[i]);
            relayed[slot] := greatest(relayed[slot], least(upto[i], last_seqs[slot]));
        END IF;
    END LOOP;
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
