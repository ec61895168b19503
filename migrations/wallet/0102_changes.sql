-- What happened to accounts since `accounts` was written: many accounts a row, so that a takeover reads a short tail
-- while `accounts`, a row each, is written seldom. Each row says: of every account with an entry above from_seq and
-- up to as_of_seq, how it stood after as_of_seq. Whatever a head of snapshots covers is deleted.
CREATE TABLE account_changes (
    partition        smallint  NOT NULL,
    from_seq         bigint    NOT NULL,
    as_of_seq        bigint    NOT NULL,
    account_ids      uuid[]    NOT NULL,
    -- One element an account, in the same order; the columns are those of `accounts`.
    paid_coins       bigint[]  NOT NULL,
    promo_coins      bigint[]  NOT NULL,
    held_paid_coins  bigint[]  NOT NULL,
    held_promo_coins bigint[]  NOT NULL,
    frozen           boolean[] NOT NULL,
    spend_days       date[]    NOT NULL,
    spent_coins      bigint[]  NOT NULL,
    as_of_seqs       bigint[]  NOT NULL,
    -- Of accounts that have any: {account id: [[hold id, paid coins, promotional coins, expiry in Unix ms], …]}
    holds            jsonb     NOT NULL,
    PRIMARY KEY (partition, as_of_seq),
    CONSTRAINT account_changes_partition_exists CHECK (partition BETWEEN 0 AND 63),
    CONSTRAINT account_changes_go_on CHECK (from_seq >= 0 AND as_of_seq > from_seq),
    CONSTRAINT account_changes_are_whole CHECK (
        cardinality(account_ids) > 0
        AND cardinality(paid_coins) = cardinality(account_ids)
        AND cardinality(promo_coins) = cardinality(account_ids)
        AND cardinality(held_paid_coins) = cardinality(account_ids)
        AND cardinality(held_promo_coins) = cardinality(account_ids)
        AND cardinality(frozen) = cardinality(account_ids)
        AND cardinality(spend_days) = cardinality(account_ids)
        AND cardinality(spent_coins) = cardinality(account_ids)
        AND cardinality(as_of_seqs) = cardinality(account_ids)),
    CONSTRAINT account_changes_not_negative CHECK (
        0 <= ALL (paid_coins) AND 0 <= ALL (promo_coins) AND 0 <= ALL (held_paid_coins)
        AND 0 <= ALL (held_promo_coins) AND 0 <= ALL (spent_coins))
);

-- They are read once or never: compressing them would cost more than the bytes.
ALTER TABLE account_changes
    ALTER COLUMN account_ids SET STORAGE EXTERNAL,
    ALTER COLUMN paid_coins SET STORAGE EXTERNAL,
    ALTER COLUMN promo_coins SET STORAGE EXTERNAL,
    ALTER COLUMN held_paid_coins SET STORAGE EXTERNAL,
    ALTER COLUMN held_promo_coins SET STORAGE EXTERNAL,
    ALTER COLUMN frozen SET STORAGE EXTERNAL,
    ALTER COLUMN spend_days SET STORAGE EXTERNAL,
    ALTER COLUMN spent_coins SET STORAGE EXTERNAL,
    ALTER COLUMN as_of_seqs SET STORAGE EXTERNAL;
