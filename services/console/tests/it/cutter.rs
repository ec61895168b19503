//! A cable between a browser and a server that loses sends of gifts: their answers, or they themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How a send of a gift begins on the wire.
const SEND: &[u8] = b"POST /v1/gift-orders ";

/// The longest head this cable reads, in bytes.
const HEAD_LEN_MAX: usize = 32 * 1024;

/// What becomes of sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loses {
    Nothing = 0,
    /// The server takes the send; the browser never hears of it.
    Answers = 1,
    /// The server never hears of it.
    Sends = 2,
}

/// The cable's switch and counter.
#[derive(Default)]
pub struct Cutter {
    loses: AtomicU8,
    lost: AtomicU32,
}

impl Cutter {
    /// Lays a cable to the server of a base URL. Returns it with the base URL of its near end.
    pub async fn lay(base: &str) -> (Arc<Cutter>, String) {
        let server = base.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let near = format!("http://{}", listener.local_addr().expect("bound"));
        let cutter = Arc::new(Cutter::default());
        let task = Arc::clone(&cutter);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let (cutter, server) = (Arc::clone(&task), server.clone());
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ = cutter.carry(browser, &server).await;
                });
            }
        });
        (cutter, near)
    }

    pub fn lose(&self, what: Loses) {
        let code = match what {
            Loses::Nothing => 0,
            Loses::Answers => 1,
            Loses::Sends => 2,
        };
        self.loses.store(code, Ordering::SeqCst);
    }

    /// Sends lost so far, one way or the other.
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::SeqCst)
    }

    /// Carries one request and its answer, then closes: each request comes on a connection of its own, so that its
    /// first line is the first that is read.
    async fn carry(&self, mut browser: TcpStream, server: &str) -> std::io::Result<()> {
        let mut head = vec![0; HEAD_LEN_MAX];
        let mut len = 0;
        let ends = |read: &[u8]| read.windows(4).any(|four| four == b"\r\n\r\n");
        while len < HEAD_LEN_MAX && !ends(&head[..len]) {
            match browser.read(&mut head[len..]).await? {
                0 => return Ok(()),
                read => len += read,
            }
        }
        let request = close_after(&head[..len]);
        let loses = self.loses.load(Ordering::SeqCst);
        if head.starts_with(SEND) && loses > 0 {
            self.lost.fetch_add(1, Ordering::SeqCst);
            if loses == 1 {
                let mut far = TcpStream::connect(server).await?;
                far.write_all(&request).await?;
                // The body may still be on its way: carry it until the answer is complete, and keep the answer.
                let (mut from_browser, _) = browser.split();
                let (mut from_server, mut to_server) = far.split();
                let mut answer = Vec::new();
                let body = tokio::io::copy(&mut from_browser, &mut to_server);
                let whole = from_server.read_to_end(&mut answer);
                let _ = timeout(Duration::from_secs(10), async {
                    tokio::select! { _ = whole => {} () = async { let _ = body.await; std::future::pending().await } => {} }
                })
                .await;
            }
            return Ok(()); // Dropped: the browser sees a connection that broke.
        }
        let mut far = TcpStream::connect(server).await?;
        far.write_all(&request).await?;
        copy_bidirectional(&mut browser, &mut far).await?;
        Ok(())
    }
}

/// The same request, asking the server to close the connection after its answer.
fn close_after(request: &[u8]) -> Vec<u8> {
    let line_end = request.windows(2).position(|two| two == b"\r\n").unwrap_or(0) + 2;
    let text = String::from_utf8_lossy(&request[line_end..]).into_owned();
    let text = text.replacen("Connection: keep-alive\r\n", "Connection: close\r\n", 1);
    [&request[..line_end], text.as_bytes()].concat()
}
