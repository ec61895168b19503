//! The yardstick of the HTTP figures: a handler that parses a send and gives it back, under the same load.

use super::figure::Sample;
use super::load::{self, Pace, Send, Target};
use crate::failure::Failure;
use axum::routing::post;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where an echo answers.
pub const PATH: &str = "/echo";

/// A running echo.
pub struct Echo {
    url: String,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<edge::Served>>,
}

impl Echo {
    /// Listens on a free port.
    ///
    /// # Errors
    /// [`Failure::Listen`].
    pub async fn start() -> Result<Echo, Failure> {
        let echo = post(async |axum::Json(send): axum::Json<Send>| axum::Json(send));
        Echo::serve(axum::Router::new().route(PATH, echo)).await
    }

    /// Serves a router that answers at [`PATH`] on a free port.
    ///
    /// # Errors
    /// [`Failure::Listen`].
    pub async fn serve(router: axum::Router) -> Result<Echo, Failure> {
        let listener = edge::listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .map_err(|error| Failure::Listen { source: error.into() })?;
        let address = listener.local_addr().map_err(|error| Failure::Listen { source: error.into() })?;
        let (stop, mut stopped) = watch::channel(false);
        let until = async move {
            let _ = stopped.wait_for(|stop| *stop).await; // Gone means stopped.
        };
        let server = tokio::spawn(edge::serve(listener, router, until, Duration::from_secs(1)));
        Ok(Echo { url: format!("http://{address}{PATH}"), stop, server })
    }

    /// The same load as `target` gets, on the echo.
    ///
    /// # Errors
    /// [`Failure::Bench`].
    pub async fn load(&self, target: &Target, pace: Pace, seconds: u64) -> Result<Sample, Failure> {
        let target = Target { url: self.url.as_str().into(), ..target.clone() };
        load::run(&target, pace, seconds).await
    }

    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.server.await; // It was only ever ours to ask.
    }
}
