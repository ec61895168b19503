//! Invariant under test: whatever joins, leaves or dies, every group soon has exactly one owner, the shares are even,
//! and nothing moves while nothing changes.

use ids::{GroupSet, PartitionGroup};
use proptest::prelude::*;
use seqlog::{LiveNode, NodeState, Spread, part_of};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Happening {
    Join(u8),
    /// Hands over and goes.
    Drain(u8),
    /// Dies: its groups are free when its lease is over, which is at the next tick here.
    Crash(u8),
    /// One look of one node; the others see it later.
    Look(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => (0..10_u8).prop_map(Happening::Join),
        1 => (0..10_u8).prop_map(Happening::Drain),
        1 => (0..10_u8).prop_map(Happening::Crash),
        6 => (0..10_u8).prop_map(Happening::Look),
    ]
}

/// The two tables, and the nodes that look at them.
#[derive(Default)]
struct World {
    nodes: BTreeMap<String, NodeState>,
    owners: BTreeMap<PartitionGroup, String>,
    moves: usize,
}

impl World {
    fn live(&self) -> Vec<LiveNode> {
        let owned = |node: &str| {
            self.owners.iter().filter(|(_, owner)| *owner == node).map(|(group, _)| *group).collect()
        };
        let live = |(node, state): (&String, &NodeState)| LiveNode {
            node: node.clone(),
            state: *state,
            groups: owned(node),
        };
        self.nodes.iter().map(live).collect()
    }

    /// What a node does after it has seen `seen`, which may be old: claims are granted where nobody lives who owns.
    fn act(&mut self, me: &str, seen: &[LiveNode], spread: Spread) {
        if !self.nodes.contains_key(me) {
            return;
        }
        let part = part_of(me, seen, GroupSet::EMPTY, spread);
        for group in part.claim.iter() {
            let owned = self.owners.get(&group).is_some_and(|owner| self.nodes.contains_key(owner));
            if !owned {
                self.owners.insert(group, me.to_owned());
                self.moves += 1;
            }
        }
        for group in part.leave.iter().filter(|group| seen_as_mine(me, seen).contains(*group)) {
            if self.owners.get(&group).is_some_and(|owner| owner == me) {
                self.owners.remove(&group);
                self.moves += 1;
            }
        }
        if self.nodes.get(me) == Some(&NodeState::Draining) && !self.owners.values().any(|owner| owner == me)
        {
            self.nodes.remove(me);
        }
    }

    fn happen(&mut self, happening: &Happening, spread: Spread) {
        let name = |number: u8| format!("node-{number}");
        match happening {
            Happening::Join(number) => {
                self.nodes.entry(name(*number)).or_insert(NodeState::Working);
            }
            Happening::Drain(number) => {
                self.nodes.entry(name(*number)).and_modify(|state| *state = NodeState::Draining);
            }
            Happening::Crash(number) => {
                self.nodes.remove(&name(*number));
            }
            Happening::Look(number) => {
                let seen = self.live();
                self.act(&name(*number), &seen, spread);
            }
        }
    }

    /// Every node looks at the same instant, then each acts on what it saw.
    fn tick(&mut self, spread: Spread) {
        let seen = self.live();
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            self.act(&node, &seen, spread);
        }
    }
}

fn seen_as_mine(me: &str, seen: &[LiveNode]) -> GroupSet {
    seen.iter().find(|node| node.node == me).map(|node| node.groups).unwrap_or_default()
}

fn settle(world: &mut World, spread: Spread) {
    if !world.nodes.values().any(|state| *state == NodeState::Working) {
        world.nodes.insert("node-last".to_owned(), NodeState::Working);
    }
    for _ in 0..4 {
        world.tick(spread);
    }
}

proptest! {
    #[test]
    fn after_a_few_ticks_every_group_has_one_live_owner_and_the_shares_are_even(
        history in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::default();
        history.iter().for_each(|happening| world.happen(happening, Spread::Even));
        settle(&mut world, Spread::Even);
        let live = world.live();
        prop_assert!(live.iter().all(|node| node.state == NodeState::Working), "{live:?}");
        prop_assert_eq!(live.iter().map(|node| node.groups.len()).sum::<usize>(), 8, "{:?}", live);
        let (floor, rest) = (8 / live.len(), 8 % live.len());
        let ceil = floor + usize::from(rest > 0);
        prop_assert!(live.iter().all(|node| (floor..=ceil).contains(&node.groups.len())), "{live:?}");
        let moves = world.moves;
        (0..3).for_each(|_| world.tick(Spread::Even));
        prop_assert_eq!(world.moves, moves, "groups moved while nothing changed");
    }

    #[test]
    fn what_must_run_once_is_on_one_node_and_stays_there(
        history in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::default();
        history.iter().for_each(|happening| world.happen(happening, Spread::OneNode));
        settle(&mut world, Spread::OneNode);
        let owners = || world.live().into_iter().filter(|node| !node.groups.is_empty()).collect::<Vec<_>>();
        prop_assert_eq!(owners().len(), 1);
        prop_assert_eq!(owners()[0].groups, GroupSet::ALL);
        let moves = world.moves;
        world.nodes.insert("node-".to_owned(), NodeState::Working); // First by name, and yet no reason to move.
        (0..3).for_each(|_| world.tick(Spread::OneNode));
        prop_assert_eq!(world.moves, moves);
    }
}

#[test]
fn a_node_that_joins_moves_only_what_it_is_to_have() {
    let mut world = World::default();
    world.happen(&Happening::Join(1), Spread::Even);
    world.happen(&Happening::Join(2), Spread::Even);
    (0..4).for_each(|_| world.tick(Spread::Even));
    let before = world.owners.clone();
    world.happen(&Happening::Join(3), Spread::Even);
    (0..4).for_each(|_| world.tick(Spread::Even));
    let moved = before.iter().filter(|(group, owner)| world.owners[group] != **owner).count();
    assert_eq!(moved, 2, "{before:?} {:?}", world.owners);
}
