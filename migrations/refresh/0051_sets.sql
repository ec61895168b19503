-- One row for each set of slow-changing tables: who publishes it, and what people have asked for.

CREATE TABLE refresh_sets (
    set_name         text        NOT NULL PRIMARY KEY,
    -- Grows with every change of producer; what an older one says is passed over.
    epoch            bigint      NOT NULL,
    instance         uuid        NOT NULL,
    node             text        NOT NULL,
    leased_until     timestamptz NOT NULL,
    -- The version every node shall run, whatever the source says.
    pinned_version   bigint,
    -- The version for which a person has allowed a change of any size.
    approved_version bigint,
    asked_by         text,
    asked_at         timestamptz,
    CONSTRAINT refresh_sets_name_is_short CHECK (char_length(set_name) BETWEEN 1 AND 32),
    CONSTRAINT refresh_sets_epoch_positive CHECK (epoch >= 1),
    CONSTRAINT refresh_sets_asked_by_somebody CHECK (
        (pinned_version IS NULL AND approved_version IS NULL) OR asked_by IS NOT NULL)
);
