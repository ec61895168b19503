//! A headless Chromium behind its WebDriver, for tests of pages.

use crate::TestkitError;
use crate::free_port::free_port;
use crate::server::{log_to, says, wait_ready};
use crate::watchdog::{StopSignal, Watchdog};
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "/usr/bin/chromedriver";
/// Chromium without what a window needs: it starts in a fifth of the time.
const BROWSER: &str = "/usr/bin/chromium-headless-shell";
const ASK_STATUS: &[u8] = b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A running WebDriver. Dropping it stops it and every browser it opened.
#[derive(Debug)]
pub struct Chromium {
    url: String,
    watchdog: Watchdog,
}

impl Chromium {
    /// Starts a WebDriver on a free port.
    ///
    /// # Errors
    /// [`TestkitError::Missing`] when it is not installed; others with the end of its log.
    pub fn start() -> Result<Chromium, TestkitError> {
        for program in [PROGRAM, BROWSER] {
            if !Path::new(program).exists() {
                return Err(TestkitError::Missing { program: program.to_owned() });
            }
        }
        let watchdog = Watchdog::start(None)?;
        let port = free_port()?;
        let mut command = Command::new(PROGRAM);
        // Its own home as well: crash reports and caches go there and not to whoever runs the tests.
        command.arg(format!("--port={port}")).current_dir(watchdog.dir()).env("HOME", watchdog.dir());
        log_to(&watchdog, &mut command)?;
        let process = watchdog.spawn(&mut command, StopSignal::Term)?;
        wait_ready(&watchdog, "chromedriver", process, || says(port, ASK_STATUS, b"HTTP/1.1 200"))?;
        Ok(Chromium { url: format!("http://127.0.0.1:{port}"), watchdog })
    }

    /// The WebDriver's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The program of a browser.
    pub fn browser(&self) -> &'static str {
        BROWSER
    }

    /// What a browser is started with: nothing that moves for its own sake (the processor draws each frame), nothing
    /// that reaches out to the network, and a new, empty profile each time this is called.
    pub fn arguments(&self) -> Vec<String> {
        let profile = self.watchdog.dir().join(format!("profile-{}", uuid::Uuid::now_v7().simple()));
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments
    }

    /// The same as WebDriver capabilities.
    pub fn capabilities(&self) -> serde_json::Value {
        let options = serde_json::json!({ "binary": self.browser(), "args": self.arguments() });
        serde_json::json!({ "browserName": "chrome-headless-shell", "goog:chromeOptions": options })
    }
}

const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--force-prefers-reduced-motion",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
