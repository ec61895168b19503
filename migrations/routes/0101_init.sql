-- Where processes listen: one row for each service of a process that others may ask. Written when a process comes, moves
-- or leaves; a row that nobody renews is taken away by whoever reads next. All by this server's clock.

CREATE TABLE nodes (
    service       text        NOT NULL,
    node          text        NOT NULL,
    -- New at every start, so that a process renews its own rows only.
    instance      uuid        NOT NULL,
    url           text        NOT NULL,
    -- Shows that a process with the key of all processes wrote the row; readers leave out what it does not prove.
    seal          text        NOT NULL,
    -- Since when it is there under this URL.
    registered_at timestamptz NOT NULL DEFAULT now(),
    -- Renewed now and then, which is no change of the list: no version moves.
    listed_until  timestamptz NOT NULL,
    PRIMARY KEY (service, node),
    CONSTRAINT nodes_names_are_short CHECK (
        char_length(service) BETWEEN 1 AND 32 AND char_length(node) BETWEEN 1 AND 128),
    CONSTRAINT nodes_seal_is_a_digest CHECK (seal ~ '^[0-9a-f]{64}$'),
    CONSTRAINT nodes_url_is_an_address CHECK (url ~ '^http://[^/?#@[:space:]]+$' AND char_length(url) <= 255)
) WITH (fillfactor = 50);

-- One row: whoever changes the list takes it first, so writers queue here, and each change has a version.
CREATE TABLE versions (
    only_row boolean NOT NULL DEFAULT true PRIMARY KEY,
    version  bigint  NOT NULL,
    CONSTRAINT versions_is_one_row CHECK (only_row)
);
INSERT INTO versions (version) VALUES (1);
