//! The only SQL on `log_nodes` and `log_groups`: one statement per act, no transaction that waits.
//!
//! Leases are judged by the database's clock alone: a node's own may be wrong.

use crate::plan::{LiveNode, NodeState};
use ids::{GroupSet, PartitionGroup, Uuid};
use pg::Db;
use sqlx::Row;
use std::time::Duration;

/// One process as a writer of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Me {
    pub log: &'static str,
    pub node: String,
    /// New at every start.
    pub instance: Uuid,
    pub lease: Duration,
}

const JOIN: &str = "
INSERT INTO {s}.log_nodes AS n (log, node, instance, leased_until, is_draining)
VALUES ($1, $2, $3, clock_timestamp() + $4, false)
ON CONFLICT (log, node) DO UPDATE
    SET instance = $3, leased_until = clock_timestamp() + $4, is_draining = false, joined_at = now()
WHERE n.instance = $3 OR n.leased_until < clock_timestamp() + $4 / 2
RETURNING node";

/// Takes the node's row, unless another process has kept it alive within the last half of its lease.
pub(crate) async fn try_join(db: &Db, me: &Me) -> Result<bool, sqlx::Error> {
    let joined = sqlx::query(db.sql(JOIN)).bind(me.log).bind(&me.node).bind(me.instance).bind(me.lease);
    Ok(joined.fetch_optional(db.pool()).await?.is_some())
}

const FIND_LEASE: &str = "
SELECT (extract(epoch FROM leased_until) * 1000)::bigint FROM {s}.log_nodes WHERE log = $1 AND node = $2";

/// Until when the row of this node's name is leased, in the database's Unix milliseconds.
pub(crate) async fn find_lease_ms(db: &Db, me: &Me) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(db.sql(FIND_LEASE)).bind(me.log).bind(&me.node).fetch_optional(db.pool()).await
}

const FORGET: &str = "
DELETE FROM {s}.log_nodes WHERE log = $1 AND leased_until < clock_timestamp() - interval '1 day'";

/// Forgets nodes dead for a day.
pub(crate) async fn forget_dead(db: &Db, log: &str) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(FORGET)).bind(log).execute(db.pool()).await.map(drop)
}

const LOOK: &str = "
WITH renewed AS (
    UPDATE {s}.log_nodes SET leased_until = clock_timestamp() + $4, is_draining = $5
    WHERE log = $1 AND node = $2 AND instance = $3 RETURNING instance
)
SELECT n.node, n.instance = $3 AS is_me,
    CASE WHEN n.instance = $3 THEN $5 ELSE n.is_draining END AS is_draining,
    ARRAY(SELECT g.part_group FROM {s}.log_groups g WHERE g.log = $1 AND g.instance = n.instance) AS groups,
    ARRAY(SELECT h.part_group FROM {s}.log_head_groups h WHERE h.log = $1 AND h.moved_to IS NOT NULL) AS away
FROM {s}.log_nodes n
WHERE n.log = $1 AND (n.leased_until > clock_timestamp() OR n.instance IN (SELECT r.instance FROM renewed r))";

/// What a look finds.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whether this process is among the live nodes; if not, its row has become another's.
    pub joined: bool,
    pub live: Vec<LiveNode>,
    /// Groups that lie in another database.
    pub away: GroupSet,
}

/// Renews the lease and lists the live nodes with what each owns.
pub(crate) async fn renew_and_list(db: &Db, me: &Me, state: NodeState) -> Result<Seen, sqlx::Error> {
    let rows = sqlx::query(db.sql(LOOK))
        .bind(me.log)
        .bind(&me.node)
        .bind(me.instance)
        .bind(me.lease)
        .bind(state == NodeState::Draining)
        .fetch_all(db.pool())
        .await?;
    let mut seen = Seen::default();
    for row in rows {
        let is_draining: bool = row.try_get("is_draining")?;
        seen.joined |= row.try_get::<bool, _>("is_me")?;
        seen.away = group_set(row.try_get("away")?)?;
        seen.live.push(LiveNode {
            node: row.try_get("node")?,
            state: if is_draining { NodeState::Draining } else { NodeState::Working },
            groups: group_set(row.try_get("groups")?)?,
        });
    }
    Ok(seen)
}

fn group_set(numbers: Vec<i16>) -> Result<GroupSet, sqlx::Error> {
    let groups: Result<GroupSet, _> = numbers.into_iter().map(PartitionGroup::try_from).collect();
    groups.map_err(|error| sqlx::Error::Decode(error.into()))
}

const CLAIM: &str = "
INSERT INTO {s}.log_groups AS g (log, part_group, node, instance)
SELECT $1, w.part_group, $2, $3 FROM unnest($4::smallint[]) AS w (part_group)
WHERE EXISTS (SELECT FROM {s}.log_nodes n
              WHERE n.log = $1 AND n.instance = $3 AND n.leased_until > clock_timestamp())
ORDER BY w.part_group
ON CONFLICT (log, part_group) DO UPDATE SET node = $2, instance = $3, claimed_at = now()
WHERE NOT EXISTS (SELECT FROM {s}.log_nodes n
                  WHERE n.log = $1 AND n.instance = g.instance AND n.leased_until > clock_timestamp())
RETURNING part_group";

/// Claims groups whose owner is gone; returns those it got.
pub(crate) async fn claim(db: &Db, me: &Me, groups: GroupSet) -> Result<GroupSet, sqlx::Error> {
    let claimed: Vec<i16> = sqlx::query_scalar(db.sql(CLAIM))
        .bind(me.log)
        .bind(&me.node)
        .bind(me.instance)
        .bind(numbers(groups))
        .fetch_all(db.pool())
        .await?;
    group_set(claimed)
}

const RELEASE: &str = "
DELETE FROM {s}.log_groups WHERE log = $1 AND instance = $2 AND part_group = ANY($3)";

/// Ends claims, so that another may claim at its next look.
pub(crate) async fn release(db: &Db, me: &Me, groups: GroupSet) -> Result<(), sqlx::Error> {
    let released = sqlx::query(db.sql(RELEASE)).bind(me.log).bind(me.instance).bind(numbers(groups));
    released.execute(db.pool()).await.map(drop)
}

const LEAVE: &str = "
WITH ended AS (DELETE FROM {s}.log_groups WHERE log = $1 AND instance = $2)
DELETE FROM {s}.log_nodes WHERE log = $1 AND instance = $2";

/// Ends every claim and the lease.
pub(crate) async fn leave(db: &Db, me: &Me) -> Result<(), sqlx::Error> {
    sqlx::query(db.sql(LEAVE)).bind(me.log).bind(me.instance).execute(db.pool()).await.map(drop)
}

fn numbers(groups: GroupSet) -> Vec<i16> {
    groups.iter().map(PartitionGroup::number).collect()
}
