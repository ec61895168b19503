CREATE TABLE things (
    thing_id uuid   NOT NULL,
    made_on  date   NOT NULL,
    amount   bigint NOT NULL,
    UNIQUE (made_on, thing_id),
    CONSTRAINT things_live_ids_are_v7 CHECK (substr(thing_id::text, 15, 1) = '7')
) PARTITION BY RANGE (made_on);
CREATE TABLE things_y20261121 PARTITION OF things FOR VALUES FROM ('2026-11-21') TO ('2026-11-22');

CREATE FUNCTION things_sum_is_even() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER things_checked AFTER INSERT ON things_y20261121
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION things_sum_is_even();
