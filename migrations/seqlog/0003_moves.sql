-- A service's log may lie in several databases, each group of partitions in one of them.

-- Where a group's log goes on, or is about to: nobody may write it here. Null is here.
ALTER TABLE log_head_groups ADD COLUMN moved_to text;

-- What lies elsewhere is no head of this database.
CREATE OR REPLACE VIEW log_heads AS
SELECT g.log, (g.part_group * 8 + h.slot - 1)::smallint AS partition, h.epoch, h.last_seq, g.last_decided_at,
    h.closed_until, h.relayed_seq, h.owner
FROM log_head_groups g
CROSS JOIN LATERAL unnest(g.epochs, g.last_seqs, g.closed_until, g.relayed_seqs, g.owners)
    WITH ORDINALITY AS h (epoch, last_seq, closed_until, relayed_seq, owner, slot)
WHERE h.epoch > 0 AND g.moved_to IS NULL;
