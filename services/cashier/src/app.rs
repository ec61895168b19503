//! The cashier's acts, one file each.

pub mod ask_recharge;
pub mod pay_sandbox;
pub mod return_recharges;
pub mod take_callback;
pub mod write_sandbox_bill;
pub mod writer;

use crate::config::Config;
use crate::domain::signature::ChannelSecret;
use contracts::log::AccountingZone;
use contracts::owner::TellsEntries;
use edge::KeyAge;
use pg::Db;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What every act needs.
pub struct Cashier {
    pub(crate) db: Db,
    pub(crate) config: Config,
    pub(crate) zone: AccountingZone,
    pub(crate) key_age: KeyAge,
    /// The secrets of the channels this profile has.
    pub(crate) secrets: BTreeMap<String, ChannelSecret>,
    pub(crate) queue: tokio::sync::mpsc::Sender<writer::Job>,
    /// Known once it runs: it reads this service's log, so it starts later.
    pub(crate) wallet: OnceLock<Arc<dyn TellsEntries>>,
}
