-- The accounting day that a break's evidence names, kept beside it: closing a day asks for it of every open break.
ALTER TABLE breaks ADD COLUMN evidence_day text GENERATED ALWAYS AS (
    CASE WHEN evidence ->> 'day' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN evidence ->> 'day' END) STORED;
