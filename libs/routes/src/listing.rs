//! This process on the list: it puts itself there, says that it is still there, and takes itself off.

use crate::seal::Seal;
use crate::store::{self, Claim, Listed};
use crate::{LISTED_MAX, Settings};
use ids::Uuid;
use peer::PeerUrl;
use pg::Db;
use refresh::Control;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The longest that leaving may take: a stop does not wait for a database or a cache that is away.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// What a process says of itself.
#[derive(Clone, Debug)]
pub struct Own {
    /// The node's name: unique among live nodes, which their leases see to, the same after a restart.
    pub node: String,
    pub url: PeerUrl,
    /// What it may be asked for, each once.
    pub services: Vec<String>,
    /// New at every start.
    pub instance: Uuid,
    pub seal: Seal,
}

/// A process on the list. Dropping it is a crash: the list forgets the process by itself.
#[derive(Debug)]
pub struct Listing {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task needs.
struct Work {
    db: Db,
    own: Own,
    settings: Settings,
    control: Control,
    /// What keeps this process off the list, said once.
    said: Option<String>,
}

impl Listing {
    /// Puts this process on the list, and keeps it there. Begin it when requests are answered, and when this node's
    /// leases have shown that nobody else has its name. A database that is away is waited for, in the background.
    pub fn begin(db: Db, own: Own, settings: Settings, control: Control) -> Listing {
        let (stop, stopped) = watch::channel(false);
        let work = Work { db, own, settings, control, said: None };
        Listing { stop, task: tokio::spawn(work.run(stopped)) }
    }

    /// Takes this process off the list. Call it when its partitions are with others.
    pub async fn leave(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(LEAVE_WITHIN, &mut self.task).await.is_err() {
            tracing::warn!("this process is still on the list of nodes, which will forget it by itself");
        }
    }
}

impl Work {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut claim = Claim::First;
        let mut is_listed = false;
        while !*stopped.borrow() {
            match self.renew(claim, is_listed).await {
                Ok(listed) => {
                    is_listed = listed;
                    if listed {
                        (claim, self.said) = (Claim::Again, None);
                    }
                }
                Err(error) => self.say_once(format!("the list of nodes cannot be written: {error}")),
            }
            tokio::select! {
                _ = stopped.changed() => {}
                () = tokio::time::sleep(self.settings.renew_every) => {}
            }
        }
        match store::leave(&self.db, &self.own).await {
            Ok(()) => self.control.changed().await,
            Err(error) => tracing::warn!(%error, "this process is still on the list of nodes"),
        }
    }

    /// Says that this process is there; whether it is listed then.
    async fn renew(&mut self, claim: Claim, is_listed: bool) -> Result<bool, sqlx::Error> {
        let expires_after = self.settings.expires_after;
        if is_listed && store::renew(&self.db, &self.own, expires_after).await? {
            return Ok(true);
        }
        match store::list_self(&self.db, &self.own, (claim, expires_after)).await? {
            Listed::Yes => {
                let Own { node, url, services, .. } = &self.own;
                tracing::info!(node, %url, ?services, "others find this process here");
                self.control.changed().await;
                Ok(true)
            }
            Listed::NameTaken => {
                let node = &self.own.node;
                self.say_once(format!(
                    "another process is listed as node \"{node}\"; give each its own `node`"
                ));
                Ok(false)
            }
            Listed::Full(service) => {
                self.say_once(format!("{LISTED_MAX} nodes of {service} are listed, and more are not"));
                Ok(false)
            }
        }
    }

    fn say_once(&mut self, why: String) {
        if self.said.as_ref() != Some(&why) {
            tracing::error!(
                node = self.own.node,
                why,
                "others do not find this process by the list of nodes"
            );
            self.said = Some(why);
        }
    }
}

impl Own {
    /// This start of a process.
    pub fn new(node: &str, url: PeerUrl, services: &[&str], seal: Seal) -> Own {
        let mut services: Vec<String> = services.iter().map(|service| (*service).to_owned()).collect();
        services.sort_unstable();
        services.dedup();
        Own { node: node.to_owned(), url, services, instance: Uuid::now_v7(), seal }
    }

    /// The seal of each of its rows, in the order of its services.
    pub(crate) fn seals(&self) -> Vec<String> {
        let sealed = |service: &String| self.seal.of(service, &self.node, self.url.as_str());
        self.services.iter().map(sealed).collect()
    }
}
