//! Listening and serving until told to stop.

use axum::Router;
use axum::serve::ListenerExt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{address} is in use by another process; choose another port or stop that process")]
    InUse { address: SocketAddr },
    #[error("this user may not listen on {address}")]
    NotAllowed { address: SocketAddr },
    #[error("{address} cannot be listened on")]
    Other { address: SocketAddr, source: io::Error },
}

/// Listens on an address. Port 0 takes any free port.
///
/// # Errors
/// [`ListenError`], which names the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::PermissionDenied => ListenError::NotAllowed { address },
        _ => ListenError::Other { address, source },
    })
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Every connection was answered and closed.
    Drained,
    /// Some connections were still open after the time given, such as event streams.
    CutOff,
}

/// Serves a finished router until `shutdown` resolves, then takes no more connections and waits up to
/// `drain_max` for those that are open.
///
/// # Errors
/// What the operating system says about the listener.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    drain_max: Duration,
) -> io::Result<Served> {
    let (stopping, stopped) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        let _ = stopping.send(()); // Nobody listens any more only if serving has ended.
    };
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its small packets back");
        }
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(signal);
    let overdue = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await; // Serving ended by itself and answers below.
        }
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        outcome = serving => outcome.map(|()| Served::Drained),
        () = overdue => {
            tracing::info!(?drain_max, "connections were still open when serving ended");
            Ok(Served::CutOff)
        }
    }
}
