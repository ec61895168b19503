-- Whose sets these are: part of the keys under which they lie in the cache, so that two installations that share a
-- Redis do not read each other's. A copy of a database that shall run beside the original needs a new one:
-- UPDATE refresh_installations SET installation = gen_random_uuid().

CREATE TABLE refresh_installations (
    only_row     boolean NOT NULL DEFAULT true PRIMARY KEY,
    installation uuid    NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT refresh_installations_is_one_row CHECK (only_row)
);
INSERT INTO refresh_installations DEFAULT VALUES;
