-- What each rule moved on each account and day: the roll-forward without reading vouchers. Kept by the tables themselves,
-- whichever program writes the vouchers it sums.
CREATE TABLE rule_days (
    posted_day   date     NOT NULL,
    account      text     NOT NULL,
    rule         text     NOT NULL,
    partition    smallint NOT NULL,
    debit_micro  bigint   NOT NULL,
    credit_micro bigint   NOT NULL,
    PRIMARY KEY (posted_day, account, rule, partition),
    CONSTRAINT rule_days_sides_not_negative CHECK (debit_micro >= 0 AND credit_micro >= 0)
) WITH (fillfactor = 50);

CREATE FUNCTION add_rule_days() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO rule_days AS r (posted_day, account, rule, partition, debit_micro, credit_micro)
    SELECT p.posted_day, l.account, p.rule, p.partition, sum(l.debit), sum(l.credit)
    FROM posted p, LATERAL unnest(p.accounts, p.debits, p.credits) AS l (account, debit, credit)
    GROUP BY p.posted_day, l.account, p.rule, p.partition
    ORDER BY p.posted_day, l.account, p.rule, p.partition
    ON CONFLICT (posted_day, account, rule, partition) DO UPDATE SET
        debit_micro = r.debit_micro + excluded.debit_micro, credit_micro = r.credit_micro + excluded.credit_micro;
    RETURN NULL;
END $$;
-- Before those that are there are summed: from here on nobody else posts until this is done.
CREATE TRIGGER vouchers_are_summed_by_rule AFTER INSERT ON vouchers REFERENCING NEW TABLE AS posted
    FOR EACH STATEMENT EXECUTE FUNCTION add_rule_days();

INSERT INTO rule_days (posted_day, account, rule, partition, debit_micro, credit_micro)
SELECT v.posted_day, l.account, v.rule, v.partition, sum(l.debit), sum(l.credit)
FROM vouchers v, LATERAL unnest(v.accounts, v.debits, v.credits) AS l (account, debit, credit)
GROUP BY v.posted_day, l.account, v.rule, v.partition;
