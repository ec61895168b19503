-- What accounts and rules moved is summed by partition group and no longer by partition: whatever is read of all days reads
-- an eighth of the rows, and a turn of a reader writes as many. A group has one writer, which its heads see to.
-- From here on nobody posts until this is done. Locked in the order in which posting takes them, or both would wait.
LOCK TABLE account_days IN ACCESS EXCLUSIVE MODE;
LOCK TABLE vouchers IN SHARE ROW EXCLUSIVE MODE;

CREATE TEMPORARY TABLE account_sums ON COMMIT DROP AS
SELECT posted_day, account, partition / 8 AS part_group, sum(debit_micro) AS debit, sum(credit_micro) AS credit
FROM account_days GROUP BY posted_day, account, partition / 8;
TRUNCATE account_days;
ALTER TABLE account_days RENAME COLUMN partition TO part_group;
ALTER TABLE account_days ADD CONSTRAINT account_days_group_exists CHECK (part_group BETWEEN 0 AND 7);
INSERT INTO account_days (posted_day, account, part_group, debit_micro, credit_micro)
SELECT posted_day, account, part_group, debit, credit FROM account_sums;

CREATE TEMPORARY TABLE rule_sums ON COMMIT DROP AS
SELECT posted_day, account, rule, partition / 8 AS part_group, sum(debit_micro) AS debit, sum(credit_micro) AS credit
FROM rule_days GROUP BY posted_day, account, rule, partition / 8;
TRUNCATE rule_days;
ALTER TABLE rule_days RENAME COLUMN partition TO part_group;
ALTER TABLE rule_days ADD CONSTRAINT rule_days_group_exists CHECK (part_group BETWEEN 0 AND 7);
INSERT INTO rule_days (posted_day, account, rule, part_group, debit_micro, credit_micro)
SELECT posted_day, account, rule, part_group, debit, credit FROM rule_sums;

CREATE OR REPLACE FUNCTION add_rule_days() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO rule_days AS r (posted_day, account, rule, part_group, debit_micro, credit_micro)
    SELECT p.posted_day, l.account, p.rule, p.partition / 8, sum(l.debit), sum(l.credit)
    FROM posted p, LATERAL unnest(p.accounts, p.debits, p.credits) AS l (account, debit, credit)
    GROUP BY p.posted_day, l.account, p.rule, p.partition / 8
    ORDER BY p.posted_day, l.account, p.rule, p.partition / 8
    ON CONFLICT (posted_day, account, rule, part_group) DO UPDATE SET
        debit_micro = r.debit_micro + excluded.debit_micro, credit_micro = r.credit_micro + excluded.credit_micro;
    RETURN NULL;
END $$;
