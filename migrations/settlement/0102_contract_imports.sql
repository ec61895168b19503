-- Contracts come in files and wait for another person before they are in force.

-- One per file (or single contract) that brought something new. States: 1 waits, 2 approved, 3 refused.
CREATE TABLE contract_imports (
    import_id  uuid        NOT NULL PRIMARY KEY,
    state      smallint    NOT NULL DEFAULT 1,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    CONSTRAINT contract_imports_state_known CHECK (state IN (1, 2, 3)),
    CONSTRAINT contract_imports_decided_by_somebody
        CHECK ((state = 1) = (decided_by IS NULL) AND (state = 1) = (decided_at IS NULL)),
    CONSTRAINT contract_imports_approved_by_another CHECK (state <> 2 OR decided_by <> created_by)
);

-- The lines of an import. A line is open until its import is decided.
CREATE TABLE contract_drafts (
    import_id    uuid     NOT NULL REFERENCES contract_imports (import_id),
    line         integer  NOT NULL,
    is_open      boolean  NOT NULL DEFAULT true,
    streamer_id  uuid     NOT NULL,
    valid_from   date     NOT NULL,
    agency_id    uuid,
    streamer_ppm integer  NOT NULL,
    agency_ppm   integer  NOT NULL,
    platform_ppm integer  NOT NULL,
    tax_ppm      integer  NOT NULL,
    promo        smallint NOT NULL,
    PRIMARY KEY (import_id, line),
    CONSTRAINT contract_drafts_line_from_one CHECK (line >= 1),
    CONSTRAINT contract_drafts_shares_sum_to_a_whole CHECK (streamer_ppm + agency_ppm + platform_ppm = 1000000)
);
-- Of one streamer and day, one draft waits.
CREATE UNIQUE INDEX contract_drafts_one_waits ON contract_drafts (streamer_id, valid_from) WHERE is_open;

-- Who approved each version. Those from before approvals say so.
ALTER TABLE contracts ADD COLUMN approved_by text;
UPDATE contracts SET approved_by = 'made before approvals';
ALTER TABLE contracts ALTER COLUMN approved_by SET NOT NULL,
    ADD CONSTRAINT contracts_approved_by_another CHECK (approved_by <> created_by);
