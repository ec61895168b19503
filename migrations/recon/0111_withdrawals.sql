-- What a channel pays to us by withdrawals from the balance that we have with it, and the fees it takes off that balance,
-- are posted beside what a bank's statement shows of its payments.
ALTER TABLE channel_settlements
    ADD COLUMN about text NOT NULL DEFAULT 'payments',
    ADD CONSTRAINT channel_settlements_about_known CHECK (about IN ('payments', 'withdrawals', 'fees')),
    -- Fees reach no bank.
    ADD CONSTRAINT channel_settlements_of_fees_have_no_net CHECK (about <> 'fees' OR net_minor = 0);

CREATE OR REPLACE FUNCTION keep_settlements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.voucher_seq IS NOT NULL
        OR (OLD.match_id, OLD.turn, OLD.channel, OLD.about, OLD.run_day, OLD.day, OLD.gross_minor, OLD.net_minor,
            OLD.currency, OLD.payments, OLD.request_id)
        IS DISTINCT FROM (NEW.match_id, NEW.turn, NEW.channel, NEW.about, NEW.run_day, NEW.day, NEW.gross_minor,
            NEW.net_minor, NEW.currency, NEW.payments, NEW.request_id)
    THEN
        RAISE EXCEPTION 'a settlement is posted once and stays as it is' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE INDEX bill_rows_of_withdrawals ON bill_rows (channel, day, bill_id, row_no) WHERE scope = 3 AND kind = 'payout';
