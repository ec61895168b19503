//! Who should own which group: pure, and the same on every node that sees the same nodes.
//!
//! Nobody coordinates. Each node computes this plan from what it read and does its own part of it: it claims what is
//! free and planned for it, and leaves what is planned for another. Groups move only where the difference between
//! two nodes is larger than one, so nothing moves while nothing changes.

use ids::{GroupSet, PartitionGroup};

/// How groups are to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Over all live nodes.
    Even,
    /// On one node; the others stand by.
    OneNode,
}

/// Whether a node takes groups or hands its own over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    Working,
    Draining,
}

/// A live node as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveNode {
    pub node: String,
    pub state: NodeState,
    pub groups: GroupSet,
}

/// What one node has to do for the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Free groups that are planned for it.
    pub claim: GroupSet,
    /// Its groups that are planned for another.
    pub leave: GroupSet,
    /// Groups that nobody owns, whoever they are planned for.
    pub free: GroupSet,
}

/// The owner of each group, as an index into the nodes.
type Owners = Vec<Option<usize>>;

/// What `me` has to do, given the live nodes (itself among them), what each owns, and which groups lie in another
/// database: nobody is to have those here.
pub fn part_of(me: &str, nodes: &[LiveNode], away: GroupSet, spread: Spread) -> Part {
    let mut nodes: Vec<&LiveNode> = nodes.iter().collect();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    let owners = owners_of(&nodes);
    let planned = plan(&nodes, &owners, away, spread);
    let mut part = Part::default();
    for (group, (owner, planned)) in PartitionGroup::all().zip(owners.into_iter().zip(planned)) {
        let is_me = |index: Option<usize>| index.is_some_and(|index| nodes[index].node == me);
        if owner.is_none() && !away.contains(group) {
            part.free.insert(group);
        }
        match (is_me(owner), is_me(planned)) {
            (true, false) => part.leave.insert(group),
            (false, true) if owner.is_none() => part.claim.insert(group),
            (true, true) | (false, true | false) => {}
        }
    }
    part
}

fn owners_of(nodes: &[&LiveNode]) -> Owners {
    let mut owners = vec![None; PartitionGroup::all().count()];
    for (index, node) in nodes.iter().enumerate() {
        for group in node.groups.iter() {
            owners[group.index()] = Some(index);
        }
    }
    owners
}

fn plan(nodes: &[&LiveNode], owners: &[Option<usize>], away: GroupSet, spread: Spread) -> Owners {
    let is_here = |group: &PartitionGroup| !away.contains(*group);
    let working: Vec<usize> =
        (0..nodes.len()).filter(|index| nodes[*index].state == NodeState::Working).collect();
    let Some(first) = working.first().copied() else {
        return owners.to_vec(); // Nobody could take anything: everything stays until its node goes.
    };
    if spread == Spread::OneNode {
        let most = working.iter().copied().rev().max_by_key(|index| nodes[*index].groups.len());
        let one = most.unwrap_or(first);
        return PartitionGroup::all().map(|group| is_here(&group).then_some(one)).collect();
    }
    let stays = |(group, owner): (PartitionGroup, &Option<usize>)| {
        owner.filter(|index| is_here(&group) && working.contains(index))
    };
    let mut planned: Owners = PartitionGroup::all().zip(owners).map(stays).collect();
    let load = |planned: &[Option<usize>], index: usize| {
        planned.iter().filter(|owner| **owner == Some(index)).count()
    };
    // Ties go to the first name when groups are given, and to the last when they are taken away.
    let least = |planned: &[Option<usize>]| working.iter().copied().min_by_key(|index| load(planned, *index));
    let most = |planned: &[Option<usize>]| working.iter().copied().max_by_key(|index| load(planned, *index));
    for group in PartitionGroup::all().filter(is_here) {
        if planned[group.index()].is_none() {
            planned[group.index()] = least(&planned);
        }
    }
    while let (Some(poor), Some(rich)) = (least(&planned), most(&planned))
        && load(&planned, rich) > load(&planned, poor) + 1
    {
        let Some(last) = planned.iter().rposition(|owner| *owner == Some(rich)) else { break };
        planned[last] = Some(poor);
    }
    planned
}
