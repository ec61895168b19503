//! Other processes of the same system, over HTTP.
//!
//! What a service sees is the trait it would see in one process: [`RemoteWallet`] is a wallet, [`RemoteReports`]
//! takes show reports, [`HttpLogSource`] is a source of rows. Who holds a partition is asked of the nodes
//! themselves ([`OwnerMap`]): the highest epoch is right. Which nodes there are may change ([`Nodes`]). Every call carries a short-lived internal token and the
//! trace it belongs to, and goes through a declared dependency ([`declared`]): a time limit, a cap and a breaker per
//! node, and nothing is sent that the node said it would refuse. Must not know any service's code, only `contracts`.

mod batching;
mod calls;
mod config;
mod credentials;
pub mod declared;
mod forward;
mod handles;
mod log_source;
mod nodes;
mod owner_map;
mod owners;
mod remote_wallet;
mod reports;

pub use calls::{CallError, Calls};
pub use config::{Config, ConfigError, DEFAULTS, PeerUrl};
pub use forward::{Forward, forward_routes};
pub use log_source::HttpLogSource;
pub use nodes::{LiveNodes, NODES_MAX, NodeList, Nodes};
pub use owner_map::{OwnerMap, OwnerMapStatus};
pub use owners::RemoteOwner;
pub use remote_wallet::RemoteWallet;
pub use reports::RemoteReports;
