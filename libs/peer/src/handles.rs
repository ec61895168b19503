//! What is kept for each node of a list: made when a node comes to be listed, dropped when it is listed no more.

use crate::config::PeerUrl;
use crate::nodes::NodeList;
use arc_swap::ArcSwap;
use guard::deps::DeclareError;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Handles in the order of the list. Few, so they are looked through and not hashed.
type Known<T> = Vec<(PeerUrl, Arc<T>)>;

/// One handle for each listed node. Following ends when this is dropped; calls under way keep their handle.
pub(crate) struct Handles<T> {
    known: Arc<ArcSwap<Known<T>>>,
    _following: JoinSet<()>,
}

impl<T: Send + Sync + 'static> Handles<T> {
    /// Makes a handle for each node, now and whenever the list changes. Needs a runtime where it can change.
    ///
    /// # Errors
    /// [`DeclareError`]: more nodes than a registry takes. Later, such a node is left out and said in the log.
    pub fn follow(
        mut list: watch::Receiver<NodeList>,
        make: impl Fn(&PeerUrl) -> Result<T, DeclareError> + Send + 'static,
    ) -> Result<Handles<T>, DeclareError> {
        let mut first = Known::new();
        for url in list.borrow_and_update().iter() {
            first.push((url.clone(), Arc::new(make(url)?)));
        }
        let known = Arc::new(ArcSwap::from_pointee(first));
        let mut following = JoinSet::new();
        if list.has_changed().is_ok() {
            let known = Arc::clone(&known);
            following.spawn(async move {
                while list.changed().await.is_ok() {
                    let listed = Arc::clone(&list.borrow_and_update());
                    known.store(Arc::new(next(&known.load(), &listed, &make)));
                }
            });
        }
        Ok(Handles { known, _following: following })
    }

    /// Every handle, in the order of the list.
    pub fn all(&self) -> Arc<Known<T>> {
        self.known.load_full()
    }

    /// The handle of one node; `None` where it is not listed, or only just.
    pub fn of(&self, url: &PeerUrl) -> Option<Arc<T>> {
        let known = self.known.load();
        known.iter().find(|(other, _)| other == url).map(|(_, handle)| Arc::clone(handle))
    }
}

fn next<T>(
    known: &Known<T>,
    listed: &NodeList,
    make: impl Fn(&PeerUrl) -> Result<T, DeclareError>,
) -> Known<T> {
    let mut handles = Known::with_capacity(listed.len());
    for url in listed.iter() {
        if let Some((_, handle)) = known.iter().find(|(other, _)| other == url) {
            handles.push((url.clone(), Arc::clone(handle)));
            continue;
        }
        match make(url) {
            Ok(handle) => handles.push((url.clone(), Arc::new(handle))),
            Err(error) => tracing::warn!(%url, %error, "a node that was found is not called"),
        }
    }
    handles
}
