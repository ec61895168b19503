//! The wallet and gift as processes of their own, for figures that cross processes.

use crate::failure::Failure;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a process may take to start, and to end.
const READY_WITHIN: Duration = Duration::from_secs(60);
const END_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Two running processes. Dropped, they are killed.
pub struct Children {
    gift_url: String,
    gift: Child,
    wallet: Child,
}

#[derive(Debug, thiserror::Error)]
enum ChildError {
    #[error("the process of {0} was not ready in time; its log is beside its data, in {1}")]
    NotReady(&'static str, String),
    #[error("the process of {0} did not end in time")]
    StillRunning(&'static str),
}

impl Children {
    /// Starts both on a migrated database and waits until they are ready.
    ///
    /// # Errors
    /// [`Failure::File`], [`Failure::Bench`].
    pub async fn start(folder: &Path, database: &str, amqp: &str) -> Result<Children, Failure> {
        let (wallet_at, gift_at) = (free_address()?, free_address()?);
        let peers = format!("[peers]\nwallet = [\"http://{wallet_at}\"]\ngift = [\"http://{gift_at}\"]\n");
        let config = |name: &str, address: SocketAddr| {
            format!(
                "node = \"{name}\"\n[http]\nlisten = \"{address}\"\n[database]\nurl = \"{database}\"\n\
                 [amqp]\nurl = \"{amqp}\"\n{peers}"
            )
        };
        let wallet = spawn(folder, "wallet", &config("bench-wallet", wallet_at))?;
        let gift = spawn(folder, "gift", &config("bench-gift", gift_at))?;
        let children = Children { gift_url: format!("http://{gift_at}"), gift, wallet };
        wait_ready(folder, "wallet", wallet_at).await?;
        wait_ready(folder, "gift", gift_at).await?;
        Ok(children)
    }

    pub fn gift_url(&self) -> &str {
        &self.gift_url
    }

    /// Ends both, gift first: it still needs the wallet.
    ///
    /// # Errors
    /// [`Failure::Bench`] when one does not end.
    pub async fn stop(mut self) -> Result<(), Failure> {
        end("gift", &mut self.gift).await?;
        end("wallet", &mut self.wallet).await
    }
}

/// Where a bare wallet inserts.
pub const ROWS_PATH: &str = "/rows";

/// A process that inserts entries and does nothing else. Dropped, it is killed.
pub struct BareWallet {
    address: SocketAddr,
    child: Child,
}

impl BareWallet {
    /// Starts it on a migrated database and waits until it is ready.
    ///
    /// # Errors
    /// [`Failure::File`], [`Failure::Bench`].
    pub async fn start(folder: &Path, database: &str) -> Result<BareWallet, Failure> {
        let failed = |source| Failure::File { path: folder.join(BARE), source };
        let address = free_address()?;
        let own = folder.join(BARE);
        std::fs::create_dir_all(&own).map_err(failed)?;
        let log = std::fs::File::create(own.join("log")).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["bench", BARE, "--database", database, "--listen"]).arg(address.to_string());
        let child = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().map_err(failed)?;
        let bare = BareWallet { address, child };
        wait_ready(folder, BARE, address).await?;
        Ok(bare)
    }

    pub fn rows_url(&self) -> String {
        format!("http://{}{ROWS_PATH}", self.address)
    }

    /// # Errors
    /// [`Failure::Bench`] when it does not end.
    pub async fn stop(mut self) -> Result<(), Failure> {
        end(BARE, &mut self.child).await
    }
}

const BARE: &str = "bare-wallet";

fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_err(|source| Failure::Listen { source: Box::new(source) })
}

fn spawn(folder: &Path, service: &'static str, config: &str) -> Result<Child, Failure> {
    let failed = |source| Failure::File { path: folder.join(service), source };
    let own = folder.join(service);
    std::fs::create_dir_all(&own).map_err(failed)?;
    let secrets = own.join("secrets.toml");
    std::fs::copy(folder.join("secrets.toml"), &secrets).map_err(failed)?;
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let path = own.join("largesse.toml");
    std::fs::write(&path, config).map_err(failed)?;
    let log = std::fs::File::create(own.join("log")).map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["serve", service]).arg("--config").arg(&path).arg("--data-dir").arg(&own);
    command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().map_err(failed)
}

async fn wait_ready(folder: &Path, service: &'static str, address: SocketAddr) -> Result<(), Failure> {
    let (client, began) = (reqwest::Client::new(), Instant::now());
    while began.elapsed() < READY_WITHIN {
        let asked = client.get(format!("http://{address}/readyz")).send().await;
        if asked.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Failure::Bench(Box::new(ChildError::NotReady(service, folder.join(service).display().to_string()))))
}

async fn end(service: &'static str, child: &mut Child) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: service.into(), source };
    if let Some(id) = child.id() {
        Command::new("kill").arg(id.to_string()).status().await.map_err(failed)?;
    }
    match tokio::time::timeout(END_WITHIN, child.wait()).await {
        Ok(ended) => ended.map(drop).map_err(failed),
        Err(_) => Err(Failure::Bench(Box::new(ChildError::StillRunning(service)))),
    }
}
