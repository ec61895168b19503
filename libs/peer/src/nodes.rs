//! Where the nodes of one service listen: those that are configured, always, and those that are known to live.
//!
//! Says whom to ask, and never who owns what: that is an owner's own word.

use crate::config::PeerUrl;
use std::sync::Arc;
use tokio::sync::watch;

/// Nodes of one service that a process speaks to. What is configured counts first, and is never left out.
pub const NODES_MAX: usize = 64;

/// Nodes in the order in which they are asked.
pub type NodeList = Arc<[PeerUrl]>;

/// The nodes of one service, as known now. Clones follow the same list.
#[derive(Clone, Debug)]
pub struct Nodes(watch::Receiver<NodeList>);

/// Tells [`Nodes`] which nodes live.
#[derive(Debug)]
pub struct LiveNodes {
    configured: NodeList,
    list: watch::Sender<NodeList>,
}

impl Nodes {
    /// The configured nodes, and a way to say later which others live.
    pub fn open(configured: &[PeerUrl]) -> (LiveNodes, Nodes) {
        let configured = merged(configured, &[]);
        let (list, nodes) = watch::channel(Arc::clone(&configured));
        (LiveNodes { configured, list }, Nodes(nodes))
    }

    /// The list of now.
    pub fn list(&self) -> NodeList {
        Arc::clone(&self.0.borrow())
    }

    /// The list, with every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<NodeList> {
        let mut changes = self.0.clone();
        changes.mark_unchanged();
        changes
    }
}

/// These nodes, and never others.
impl From<&[PeerUrl]> for Nodes {
    fn from(urls: &[PeerUrl]) -> Nodes {
        Nodes::open(urls).1 // Nobody can change a list whose other end is gone.
    }
}

impl<const N: usize> From<&[PeerUrl; N]> for Nodes {
    fn from(urls: &[PeerUrl; N]) -> Nodes {
        Nodes::from(urls.as_slice())
    }
}

impl From<Vec<PeerUrl>> for Nodes {
    fn from(urls: Vec<PeerUrl>) -> Nodes {
        Nodes::from(urls.as_slice())
    }
}

impl LiveNodes {
    /// Takes what lives now, in the order in which it shall be asked; says how many did not fit.
    pub fn set(&self, live: &[PeerUrl]) -> usize {
        let room = NODES_MAX.saturating_sub(self.configured.len());
        let others: Vec<&PeerUrl> = live.iter().filter(|url| !self.configured.contains(url)).collect();
        let fitting: Vec<PeerUrl> = others.iter().take(room).copied().cloned().collect();
        let next = merged(&self.configured, &fitting);
        self.list.send_if_modified(|known| {
            let changed = *known != next;
            *known = next;
            changed
        });
        others.len().saturating_sub(room)
    }
}

fn merged(first: &[PeerUrl], then: &[PeerUrl]) -> NodeList {
    let mut list: Vec<PeerUrl> = Vec::with_capacity(first.len() + then.len());
    for url in first.iter().chain(then) {
        if !list.contains(url) {
            list.push(url.clone());
        }
    }
    list.into()
}

#[cfg(test)]
mod tests {
    use super::{NODES_MAX, Nodes};
    use crate::config::PeerUrl;

    fn url(port: usize) -> PeerUrl {
        PeerUrl::try_from(format!("http://node:{port}")).expect("a URL")
    }

    #[test]
    fn what_is_configured_stays_whatever_lives() {
        let (live, nodes) = Nodes::open(&[url(1), url(2), url(1)]);
        assert_eq!(nodes.list()[..], [url(1), url(2)]);
        assert_eq!(live.set(&[url(3), url(2)]), 0);
        assert_eq!(nodes.list()[..], [url(1), url(2), url(3)]);
        live.set(&[]);
        assert_eq!(
            nodes.list()[..],
            [url(1), url(2)],
            "configured nodes may be silent, and are asked all the same"
        );
    }

    #[test]
    fn more_nodes_than_a_process_speaks_to_are_counted_and_left_out() {
        let (live, nodes) = Nodes::open(&[url(1)]);
        let many: Vec<PeerUrl> = (1..=NODES_MAX + 3).map(url).collect();
        assert_eq!(live.set(&many), 3);
        assert_eq!(nodes.list().len(), NODES_MAX);
        assert!(nodes.list().contains(&url(1)) && !nodes.list().contains(&url(NODES_MAX + 1)));
    }
}
