-- Which nodes write a log now, and which group of partitions belongs to whom. Leases end by this server's clock.

-- One row per node that writes a log. The instance is new at every start, so that two processes of one name are told
-- apart.
CREATE TABLE log_nodes (
    log          text        NOT NULL,
    node         text        NOT NULL,
    instance     uuid        NOT NULL,
    leased_until timestamptz NOT NULL,
    is_draining  boolean     NOT NULL,
    joined_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log, node)
) WITH (fillfactor = 50);

-- Who owns a group of eight partitions. A claim counts as long as its instance's lease runs.
CREATE TABLE log_groups (
    log        text        NOT NULL,
    part_group smallint    NOT NULL,
    node       text        NOT NULL,
    instance   uuid        NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log, part_group),
    CONSTRAINT log_groups_group_exists CHECK (part_group BETWEEN 0 AND 7)
);
