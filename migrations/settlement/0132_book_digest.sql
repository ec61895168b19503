-- Which contracts and face values are in force, known by their content and not by a number that can come again after a
-- promotion: each row has a print, and book_state has their sum. Who settles compares it with what he holds in memory.

-- Half of a row's print: eight bytes of its SHA-256, the first (0) or the next (1).
CREATE FUNCTION book_print(row_text text, half integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('x' || encode(substr(sha256(convert_to(row_text, 'UTF8')), 1 + 8 * half, 8), 'hex'))::bit(64)::bigint::numeric
$$;

-- What is settled by, as texts: part of the stored format. Who made and approved a contract is no part of it.
CREATE FUNCTION contract_text(streamer_id uuid, version integer, valid_from date, agency_id uuid, streamer_ppm integer,
    agency_ppm integer, platform_ppm integer, tax_ppm integer, promo smallint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT 'contract|' || streamer_id::text || '|' || version || '|' || (valid_from - DATE '1970-01-01') || '|'
        || coalesce(agency_id::text, '') || '|' || streamer_ppm || '|' || agency_ppm || '|' || platform_ppm || '|'
        || tax_ppm || '|' || promo
$$;
CREATE FUNCTION face_value_text(currency text, valid_from date, micros_per_coin bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT 'face_value|' || currency || '|' || (valid_from - DATE '1970-01-01') || '|' || micros_per_coin
$$;

ALTER TABLE book_state
    ADD COLUMN row_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN print_high numeric NOT NULL DEFAULT 0,
    ADD COLUMN print_low numeric NOT NULL DEFAULT 0;

-- What comes is counted by the transaction that brings it, whichever program, or person, that is. Rows are never changed
-- or taken away: a change by hand leaves the sum as it was, so nothing is settled by it, and `largesse check` names it.
CREATE FUNCTION count_contracts() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE book_state b SET row_count = b.row_count + a.rows, print_high = b.print_high + a.high,
        print_low = b.print_low + a.low
    FROM (SELECT count(*) AS rows, coalesce(sum(book_print(t.row_text, 0)), 0) AS high,
              coalesce(sum(book_print(t.row_text, 1)), 0) AS low
          FROM (SELECT contract_text(streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm,
                    platform_ppm, tax_ppm, promo) AS row_text FROM added) t) a;
    RETURN NULL;
END $$;
CREATE FUNCTION count_face_values() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE book_state b SET row_count = b.row_count + a.rows, print_high = b.print_high + a.high,
        print_low = b.print_low + a.low
    FROM (SELECT count(*) AS rows, coalesce(sum(book_print(t.row_text, 0)), 0) AS high,
              coalesce(sum(book_print(t.row_text, 1)), 0) AS low
          FROM (SELECT face_value_text(currency, valid_from, micros_per_coin) AS row_text FROM added) t) a;
    RETURN NULL;
END $$;
CREATE TRIGGER contracts_are_counted AFTER INSERT ON contracts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_contracts();
CREATE TRIGGER face_values_are_counted AFTER INSERT ON face_values REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_face_values();

-- Those that are there.
UPDATE book_state b SET row_count = a.rows, print_high = a.high, print_low = a.low
FROM (SELECT count(*) AS rows, coalesce(sum(book_print(t.row_text, 0)), 0) AS high,
          coalesce(sum(book_print(t.row_text, 1)), 0) AS low
      FROM (SELECT contract_text(streamer_id, version, valid_from, agency_id, streamer_ppm, agency_ppm, platform_ppm,
                tax_ppm, promo) AS row_text FROM contracts
            UNION ALL
            SELECT face_value_text(currency, valid_from, micros_per_coin) FROM face_values) t) a;
