//! A cable between a test and its broker, which the test can cut and mend, or leave dead.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A relay of TCP connections to one server, on a port that stays the same.
pub struct Cable {
    server: String,
    address: String,
    running: Mutex<Option<AbortHandle>>,
}

impl Cable {
    /// Lays a cable to the server of an AMQP URL. Returns it with the URL of its near end.
    pub async fn lay(url: &str) -> (Arc<Cable>, String) {
        let (_, server) = url.split_once('@').expect("a URL with a user");
        let server = server.split('/').next().expect("host and port").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let near = url.replacen(&server, &address, 1);
        let cable = Arc::new(Cable { server, address, running: Mutex::new(None) });
        cable.run(listener);
        (cable, near)
    }

    /// Cuts every connection and refuses new ones.
    pub fn cut(&self) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.abort();
        }
    }

    /// Takes connections again.
    pub async fn mend(self: &Arc<Cable>) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            match TcpListener::bind(&self.address).await {
                Ok(listener) => return self.run(listener),
                Err(error) => {
                    assert!(tokio::time::Instant::now() < deadline, "the port does not come back: {error}");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn run(self: &Arc<Cable>, listener: TcpListener) {
        let server = self.server.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new(); // Aborted with this task, which closes every socket.
            while let Ok((mut near, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }
}
