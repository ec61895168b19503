//! The list as readers see it. Pure.

use crate::seal::Seal;
use peer::PeerUrl;
use refresh::{DataSet, RowTable, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The one table of the set.
pub(crate) const NODES: &str = "nodes";

/// A service, and the name of a node of it.
pub type RouteKey = (String, String);

/// Where one node of a service listens. What is no address is refused when it is read, as in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub url: PeerUrl,
    /// Since when it is there, in milliseconds since 1970.
    pub since_ms: i64,
    pub seal: String,
}

/// One version of the list.
#[derive(Clone, Debug, Default)]
pub struct RoutesView {
    rows: Table<RouteKey, Route>,
    by_service: BTreeMap<String, Vec<(String, Arc<Route>)>>,
}

impl RoutesView {
    /// Where the nodes of a service listen, those that are there longest first; and the names of those whose rows nobody
    /// of ours has written.
    pub fn urls(&self, service: &str, seal: &Seal) -> (Vec<PeerUrl>, Vec<&str>) {
        let (mut urls, mut unproven) = (Vec::new(), Vec::new());
        for (node, route) in self.by_service.get(service).into_iter().flatten() {
            if seal.proves((service, node), route) {
                urls.push(route.url.clone());
            } else {
                unproven.push(node.as_str());
            }
        }
        (urls, unproven)
    }

    /// Every node of every service, in the order of their names.
    pub fn list(&self) -> Vec<(&str, &str, &Route)> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .map(|((service, node), route)| (service.as_str(), node.as_str(), route.as_ref()))
            .collect();
        rows.sort_unstable_by_key(|(service, node, _)| (*service, *node));
        rows
    }
}

impl DataSet for RoutesView {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        (name == NODES).then_some(&mut self.rows)
    }

    fn finish(&mut self) -> Result<(), String> {
        let mut nodes: Vec<_> = self.rows.iter().collect();
        nodes.sort_unstable_by_key(|((_, node), route)| (route.since_ms, node.as_str()));
        let mut by_service: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for ((service, node), route) in nodes {
            by_service.entry(service.clone()).or_default().push((node.clone(), Arc::clone(route)));
        }
        self.by_service = by_service;
        Ok(())
    }
}
