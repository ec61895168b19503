-- A day's vouchers of one rule: where an account moves by a rule that seldom applies, its journal reads those alone.
CREATE INDEX vouchers_by_day_and_rule ON vouchers (posted_day, rule, partition, seq);
