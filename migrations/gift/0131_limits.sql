-- What viewers and tenants may send and rooms may receive, where somebody has said so; what has no row is as each node's
-- configuration says.

CREATE TABLE limits (
    scope      text        NOT NULL,
    -- One of the scope, or the nil id for every one that has no row of its own.
    id         uuid        NOT NULL,
    -- Gifts in a second; 0 means any number.
    per_s      bigint      NOT NULL,
    -- How many of them may come at once.
    burst      bigint      NOT NULL,
    changed_by uuid        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, id),
    CONSTRAINT limits_scope_is_known CHECK (scope IN ('viewer', 'room', 'tenant')),
    CONSTRAINT limits_per_s_fits CHECK (per_s BETWEEN 0 AND 4294967295),
    CONSTRAINT limits_burst_fits CHECK (burst BETWEEN 0 AND 4294967295)
);

-- One row: a write takes it first, so writers queue here, and each change has a version.
CREATE TABLE limit_versions (
    only_row boolean NOT NULL DEFAULT true PRIMARY KEY,
    version  bigint  NOT NULL,
    CONSTRAINT limit_versions_is_one_row CHECK (only_row)
);
INSERT INTO limit_versions (version) VALUES (1);
