-- Switches and limits that were set by hand; what has no row is as each node's configuration says.

CREATE TABLE switches (
    name       text        NOT NULL PRIMARY KEY,
    -- 0 and 1 are off and on; a limit is its number.
    value      bigint      NOT NULL,
    changed_by uuid        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT switches_name_is_short CHECK (char_length(name) BETWEEN 1 AND 63),
    CONSTRAINT switches_value_not_negative CHECK (value >= 0)
);

-- One row: a write takes it first, so writers queue here, and each change has a version.
CREATE TABLE switch_versions (
    only_row boolean NOT NULL DEFAULT true PRIMARY KEY,
    version  bigint  NOT NULL,
    CONSTRAINT switch_versions_is_one_row CHECK (only_row)
);
INSERT INTO switch_versions (version) VALUES (1);
