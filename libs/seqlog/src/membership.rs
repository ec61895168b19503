//! A node's part in writing one log: it keeps its lease alive, claims its share of the groups, and hands them over.
//!
//! One task per log and process looks every sixth of a lease (five times as often while groups move): it renews the
//! lease, reads who lives and who owns what, and does its part of the plan. Writers follow the [`Share`] it
//! publishes; a claim ends only after every writer of this process has let go of the group. Claims only save time:
//! what keeps a deposed writer out is the epoch, and taking over raises it under a lock on the claim.

use crate::holdings::Holdings;
use crate::nodes::{self, Me, Seen};
use crate::plan::{NodeState, Part, Spread, part_of};
use ids::{GroupSet, Partition, Uuid};
use pg::Db;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Looks in one lease: so many may fail in a row before it ends.
const LOOKS_PER_LEASE: u32 = 6;
/// How much faster a node looks while groups are about to move.
const HASTE: u32 = 5;

/// How a node takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// The node's name: unique among live nodes, the same after a restart.
    pub node: String,
    /// How long a silent node keeps its groups.
    pub lease: Duration,
    pub spread: Spread,
}

impl NodeSettings {
    /// A node that shares with the others.
    pub fn even(node: &str, lease: Duration) -> NodeSettings {
        NodeSettings { node: node.to_owned(), lease, spread: Spread::Even }
    }

    fn look_every(&self) -> Duration {
        (self.lease / LOOKS_PER_LEASE).max(Duration::from_millis(10))
    }
}

/// Why a node may not take part.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(
        "another process writes {log} as node \"{node}\" now: give this one another name (`node` in its configuration)"
    )]
    NameTaken { log: &'static str, node: String },
    #[error("the nodes that write {log} could not be read")]
    Db { log: &'static str, source: sqlx::Error },
}

/// What this node is to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Groups whose claim is this process's.
    pub claimed: GroupSet,
    /// Those of them that another node is to have: let go of them as soon as that is clean.
    pub leaving: GroupSet,
    /// Whether the node hands everything over.
    pub is_draining: bool,
}

impl Share {
    /// What may be taken over.
    pub fn wanted(self) -> GroupSet {
        self.claimed.without(self.leaving)
    }
}

/// What writers need to know of their node: its name, its claims, and where they tell what they hold. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ownership {
    node: Arc<str>,
    /// The instance whose claims allow a takeover; `None` where nobody competes.
    instance: Option<Uuid>,
    share: watch::Receiver<Share>,
    holdings: Holdings,
}

impl Ownership {
    /// The ownership of a writer with no other beside it: it may take over anything, from anybody, at any time. For
    /// tools and tests; services join.
    pub fn undisputed(node: &str) -> Ownership {
        let share = Share { claimed: GroupSet::ALL, ..Share::default() };
        let (_, share) = watch::channel(share); // A closed channel keeps its last value.
        Ownership { node: node.into(), instance: None, share, holdings: Holdings::default() }
    }

    pub fn node(&self) -> &str {
        &self.node
    }

    pub(crate) fn instance(&self) -> Option<Uuid> {
        self.instance
    }

    /// What this node is to hold now.
    pub fn share(&self) -> Share {
        *self.share.borrow()
    }

    /// Whether a partition may be taken over now.
    pub fn wants(&self, partition: Partition) -> bool {
        self.share().wanted().contains(partition.group())
    }

    /// Waits until the share changes. Never returns where it cannot change any more.
    pub async fn changed(&mut self) {
        if self.share.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What the writers of this process hold.
    pub fn holdings(&self) -> &Holdings {
        &self.holdings
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Work,
    Drain,
    Stop,
}

/// One process's membership among the writers of one log. Dropping it is a crash: the lease runs out by itself.
#[derive(Debug)]
pub struct Membership {
    db: Db,
    me: Me,
    ownership: Ownership,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Joins the writers of `log`, and claims a share of what is free before it returns. After a crash the same name
    /// comes back when its old lease has been silent for half of its length.
    ///
    /// # Errors
    /// [`JoinError::NameTaken`] when another process keeps that name alive; [`JoinError::Db`].
    pub async fn join(db: Db, log: &'static str, settings: NodeSettings) -> Result<Membership, JoinError> {
        let failed = |source| JoinError::Db { log, source };
        let me = Me { log, node: settings.node.clone(), instance: Uuid::now_v7(), lease: settings.lease };
        wait_for_the_name(&db, &me, settings.look_every()).await?;
        nodes::forget_dead(&db, log).await.map_err(failed)?;
        let (orders, ordered) = watch::channel(Order::Work);
        let (share_in, share) = watch::channel(Share::default());
        let holdings = Holdings::default();
        let mut looker = Looker {
            db: db.clone(),
            me: me.clone(),
            settings,
            share: share_in,
            holdings: holdings.clone(),
            orders: ordered,
            woken_at: Instant::now(),
        };
        looker.look().await.map_err(failed)?;
        let ownership =
            Ownership { node: me.node.as_str().into(), instance: Some(me.instance), share, holdings };
        Ok(Membership { db, me, ownership, orders, task: tokio::spawn(looker.run()) })
    }

    pub fn ownership(&self) -> Ownership {
        self.ownership.clone()
    }

    /// Hands every group to the other live nodes, if there are any, and waits for it, at most `limit`. The node
    /// claims nothing from now on. Returns what it still has.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.orders.send_replace(Order::Drain);
        let mut share = self.ownership.share.clone();
        let handed_over = share.wait_for(|share| share.is_draining && share.leaving.is_empty());
        // A task that ended has nothing to hand over; a limit that passed is what the caller asked for.
        let _ = tokio::time::timeout(limit, handed_over).await;
        self.ownership.share().claimed
    }

    /// Looks now: for whoever knows that something has changed.
    pub fn wake(&self) {
        self.orders.send_modify(|_| {});
    }

    /// Ends the claims and the lease. Call it after the writers have let go.
    pub async fn leave(mut self) {
        self.orders.send_replace(Order::Stop);
        let _ = (&mut self.task).await; // A task that panicked has said so in the log.
        if let Err(error) = nodes::leave(&self.db, &self.me).await {
            tracing::warn!(log = self.me.log, %error, "the lease was not ended; it runs out by itself");
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes the node's row. Where a lease of the same name still runs, waits to see whether anybody renews it.
async fn wait_for_the_name(db: &Db, me: &Me, look_every: Duration) -> Result<(), JoinError> {
    let failed = |source| JoinError::Db { log: me.log, source };
    let mut seen = None;
    let mut renewals = 0;
    while !nodes::try_join(db, me).await.map_err(failed)? {
        let lease_ms = nodes::find_lease_ms(db, me).await.map_err(failed)?;
        if seen.is_none() && lease_ms.is_some() {
            tracing::info!(log = me.log, node = me.node, "a lease of this name runs; waiting for its end");
        } else if lease_ms > seen {
            renewals += 1;
        }
        // One renewal may have been on its way when its process died.
        if renewals == 2 {
            return Err(JoinError::NameTaken { log: me.log, node: me.node.clone() });
        }
        seen = lease_ms;
        tokio::time::sleep(look_every / 2).await;
    }
    Ok(())
}

/// The task that looks.
struct Looker {
    db: Db,
    me: Me,
    settings: NodeSettings,
    share: watch::Sender<Share>,
    holdings: Holdings,
    orders: watch::Receiver<Order>,
    woken_at: Instant,
}

impl Looker {
    async fn run(mut self) {
        let mut held = self.holdings.watch();
        let mut haste = false;
        loop {
            let look_every = self.settings.look_every();
            let pause = if haste { look_every / HASTE } else { look_every };
            tokio::select! {
                biased;
                ordered = self.orders.changed() => {
                    if ordered.is_err() || *self.orders.borrow() == Order::Stop {
                        return;
                    }
                }
                // A group that the last writer let go of is handed over at once.
                _ = held.changed(), if self.has_left() => {}
                () = tokio::time::sleep(pause) => {}
            }
            match self.look().await {
                Ok(moving) => haste = moving,
                Err(error) => tracing::warn!(log = self.me.log, %error, "the node's lease was not renewed"),
            }
        }
    }

    fn has_left(&self) -> bool {
        !self.share.borrow().leaving.is_empty()
    }

    /// Renews, looks, and does this node's part. Says whether groups are about to move.
    async fn look(&mut self) -> Result<bool, sqlx::Error> {
        let is_draining = *self.orders.borrow_and_update() == Order::Drain;
        let state = if is_draining { NodeState::Draining } else { NodeState::Working };
        let Seen { joined, live, away } = nodes::renew_and_list(&self.db, &self.me, state).await?;
        if !joined {
            self.lost_the_name().await?;
            return Ok(false);
        }
        let silent = std::mem::replace(&mut self.woken_at, Instant::now()).elapsed();
        let mine = live.iter().find(|node| node.node == self.me.node);
        let mut claimed = mine.map(|node| node.groups).unwrap_or_default();
        self.say_what_was_lost(claimed, silent);
        let Part { claim, leave, free } = part_of(&self.me.node, &live, away, self.settings.spread);
        if !claim.is_empty() {
            let gained = nodes::claim(&self.db, &self.me, claim).await?;
            if !gained.is_empty() {
                tracing::info!(log = self.me.log, node = self.me.node, groups = ?gained, "claimed groups");
            }
            gained.iter().for_each(|group| claimed.insert(group));
        }
        let mut leaving = leave.and(claimed);
        self.publish(Share { claimed, leaving, is_draining });
        let held = self.holdings.groups();
        let left = leaving.without(held);
        if !left.is_empty() {
            nodes::release(&self.db, &self.me, left).await?;
            tracing::info!(log = self.me.log, node = self.me.node, groups = ?left, "handed groups over");
            claimed = claimed.without(left);
            leaving = leaving.without(left);
            self.publish(Share { claimed, leaving, is_draining });
        }
        let a_peer_drains = live.iter().any(|node| node.state == NodeState::Draining);
        Ok(a_peer_drains || !leaving.is_empty() || !free.without(claimed).is_empty())
    }

    /// Another process has taken this node's name: it may hold nothing until that one is gone.
    async fn lost_the_name(&mut self) -> Result<(), sqlx::Error> {
        self.say_what_was_lost(GroupSet::EMPTY, self.woken_at.elapsed());
        self.publish(Share::default());
        if !nodes::try_join(&self.db, &self.me).await? {
            tracing::error!(
                log = self.me.log,
                node = self.me.node,
                "another process has this node's name and writes in its place; give each a `node` of its own"
            );
        }
        Ok(())
    }

    fn say_what_was_lost(&self, claimed: GroupSet, silent: Duration) {
        let lost = self.share.borrow().claimed.without(claimed);
        if lost.is_empty() {
            return;
        }
        tracing::error!(log = self.me.log, node = self.me.node, groups = ?lost, ?silent,
            "this node was silent for too long and lost groups to others; it writes there no more");
        metrics::counter!("largesse_node_groups_lost_total", "log" => self.me.log)
            .increment(u64::try_from(lost.len()).unwrap_or(0));
    }

    fn publish(&self, share: Share) {
        let count = u8::try_from(share.claimed.len()).unwrap_or(u8::MAX);
        metrics::gauge!("largesse_node_owned_groups", "log" => self.me.log).set(f64::from(count));
        self.share.send_if_modified(|known| {
            let changed = *known != share;
            *known = share;
            changed
        });
    }
}
