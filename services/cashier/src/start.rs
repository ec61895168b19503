//! Puts the cashier together and runs it.

use crate::app::Cashier;
use crate::app::return_recharges::{Owner, look_after};
use crate::app::writer::Writer;
use crate::config::{Config, Secrets};
use crate::error::StartError;
use crate::http;
use crate::store::payments::PaymentsTable;
use axum::Router;
use bus::Bus;
use contracts::log::AccountingZone;
use contracts::log::LogName;
use edge::KeyAge;
use ids::GroupSet;
use pg::Db;
use seqlog::{Appender, AppenderSettings, Membership, NodeSettings, Relaying, TableSource};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What the cashier needs from outside. The schema must be migrated: [`seqlog::MIGRATOR`], [`crate::MIGRATOR`].
pub struct Deps {
    pub db: Db,
    pub bus: Bus,
    pub config: Config,
    pub secrets: Secrets,
    pub zone: AccountingZone,
    pub key_age: KeyAge,
    /// The node's name: unique among live nodes, the same after a restart.
    pub node: String,
}

/// What the cashier tells about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Partitions this node writes; callbacks of the others are refused for now.
    pub partitions_held: usize,
    /// Callbacks that wait for a commit.
    pub queued: usize,
}

/// A running cashier.
pub struct Running {
    cashier: Arc<Cashier>,
    source: TableSource<PaymentsTable>,
    held: watch::Receiver<usize>,
    membership: Membership,
    stop: watch::Sender<bool>,
    writer: JoinHandle<()>,
    looking: JoinHandle<()>,
}

/// Joins the cashier's nodes, takes its share of the partitions over, and starts the writer.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(deps: Deps) -> Result<Running, StartError> {
    let Deps { db, bus, config, secrets, zone, key_age, node } = deps;
    check(&config)?;
    let mut known = BTreeMap::new();
    for (name, _) in config.channels() {
        let secret = secrets.channels.get(name).ok_or_else(|| StartError::NoSecret(name.clone()))?;
        known.insert(name.clone(), secret.clone());
    }
    let settings = NodeSettings::even(&node, config.lease());
    let membership = Membership::join(db.clone(), LogName::Payments.as_str(), settings).await?;
    let settings = AppenderSettings { ownership: membership.ownership(), relaying: Relaying::On };
    let appender = Appender::new(db.clone(), PaymentsTable, bus, settings);
    let source = appender.source();
    let (queue, jobs) = mpsc::channel(config.queue_len_max);
    let (stop, shutdown) = watch::channel(false);
    let (held_sender, held) = watch::channel(0);
    let mut writer = Writer {
        db: db.clone(),
        appender,
        zone,
        queue: jobs,
        batch_len_max: config.batch_len_max,
        held: held_sender,
        shutdown: shutdown.clone(),
    };
    writer.follow().await;
    let writer = tokio::spawn(writer.run());
    let wallet = OnceLock::new();
    let cashier = Arc::new(Cashier { db, config, zone, key_age, secrets: known, queue, wallet });
    let looking = tokio::spawn(look_after(Arc::clone(&cashier), shutdown));
    Ok(Running { cashier, source, held, membership, stop, writer, looking })
}

fn check(config: &Config) -> Result<(), StartError> {
    let bad = [
        ("recharge_minor_min", config.recharge_minor_min < 1),
        ("recharge_minor_max", config.recharge_minor_max < config.recharge_minor_min),
        ("callback_window_s", config.callback_window_s == 0),
        ("batch_len_max", config.batch_len_max == 0),
        ("queue_len_max", config.queue_len_max == 0),
        ("lease_ms", config.lease_ms == 0),
    ];
    match bad.into_iter().find(|(_, bad)| *bad) {
        Some((setting, _)) => Err(StartError::BadSetting(setting)),
        None => Ok(()),
    }
}

impl Running {
    /// The routes, for an edge to wrap.
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.cashier))
    }

    /// What other services may ask of this one.
    pub fn owner(&self) -> Owner {
        Owner(Arc::clone(&self.cashier))
    }

    /// The log, for readers that pull.
    pub fn source(&self) -> TableSource<PaymentsTable> {
        self.source.clone()
    }

    /// Partitions held and callbacks waiting, now.
    pub fn status(&self) -> Status {
        let queue = &self.cashier.queue;
        Status { partitions_held: *self.held.borrow(), queued: queue.max_capacity() - queue.capacity() }
    }

    /// Hands the partitions to other live nodes, if there are any; goes on with what nobody takes.
    pub async fn drain(&self, limit: Duration) -> GroupSet {
        self.membership.drain(limit).await
    }

    /// Records what is queued, lets go of the partitions, and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.looking.await {
            tracing::error!(%error, "the look after money on its way back ended badly");
        }
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the cashier's writer ended badly");
        }
        self.membership.leave().await;
    }
}
