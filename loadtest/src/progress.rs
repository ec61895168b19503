//! What a person sees while a replay runs: gifts, rate, lag and coins.
//!
//! A bar on a terminal, else a line every five seconds; always on stderr. Counts only what it is told; the lag
//! comes from whoever starts the replay, because only the server knows it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far the books are behind the gifts, if known.
pub type LagSource = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// What is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Recharges,
    Gifts,
}

impl Phase {
    const fn noun(self) -> &'static str {
        match self {
            Phase::Recharges => "recharges",
            Phase::Gifts => "gifts",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    Bar,
    Lines,
    Nothing,
}

/// Counts and shows; clones count together.
#[derive(Clone)]
pub struct Progress {
    done: Arc<AtomicU64>,
    coins: Arc<AtomicI64>,
    lag: LagSource,
    display: Display,
}

impl Progress {
    /// Shows on stderr.
    pub fn shown(lag: LagSource) -> Progress {
        let display = if std::io::stderr().is_terminal() { Display::Bar } else { Display::Lines };
        Progress { display, ..Progress::hidden_with(lag) }
    }

    /// Counts and shows nothing.
    pub fn hidden() -> Progress {
        Progress::hidden_with(Arc::new(|| None))
    }

    fn hidden_with(lag: LagSource) -> Progress {
        Progress { done: Arc::default(), coins: Arc::default(), lag, display: Display::Nothing }
    }

    /// Lines done in this phase.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Coins charged in this phase.
    pub fn coins(&self) -> i64 {
        self.coins.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, done: u64, coins: i64) {
        self.done.fetch_add(done, Ordering::Relaxed);
        self.coins.fetch_add(coins, Ordering::Relaxed);
    }

    /// Starts a phase at zero; it is drawn until the result is dropped.
    pub(crate) fn start(&self, phase: Phase, total: u64) -> Drawing {
        self.done.store(0, Ordering::Relaxed);
        self.coins.store(0, Ordering::Relaxed);
        let every = match self.display {
            Display::Nothing => return Drawing { task: None, last: None },
            Display::Bar => BAR_EVERY,
            Display::Lines => LINE_EVERY,
        };
        let view = Arc::new(View {
            progress: self.clone(),
            phase,
            total,
            started: Instant::now(),
            bar: self.bar(total),
        });
        let drawn = Arc::clone(&view);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            ticks.tick().await;
            let mut before = (Instant::now(), 0);
            loop {
                ticks.tick().await;
                let now = (Instant::now(), drawn.progress.done());
                drawn.draw(rate_per_s(now.1 - before.1, now.0 - before.0));
                before = now;
            }
        });
        Drawing { task: Some(task), last: Some(view) }
    }

    fn bar(&self, total: u64) -> Option<ProgressBar> {
        (self.display == Display::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix} {bar:28} {pos}/{len}  {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        })
    }
}

struct View {
    progress: Progress,
    phase: Phase,
    total: u64,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl View {
    fn draw(&self, per_s: u64) {
        let (done, noun) = (self.progress.done(), self.phase.noun());
        let mut rest = format!("{}/s", grouped(per_s));
        if self.phase == Phase::Gifts {
            let coins = u64::try_from(self.progress.coins()).unwrap_or_default();
            let lag = (self.progress.lag)().map_or("-".to_owned(), |lag| format!("{} ms", lag.as_millis()));
            rest = format!("{rest}  lag {lag}  {} coins", grouped(coins));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(noun);
                bar.set_message(rest);
                bar.set_position(done);
            }
            None => eprintln!("{noun} {}/{}  {rest}", grouped(done), grouped(self.total)),
        }
    }
}

/// A phase being shown; when dropped, its last figures stay on the screen.
pub(crate) struct Drawing {
    task: Option<tokio::task::JoinHandle<()>>,
    last: Option<Arc<View>>,
}

impl Drop for Drawing {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if let Some(view) = self.last.take() {
            view.draw(rate_per_s(view.progress.done(), view.started.elapsed()));
            if let Some(bar) = &view.bar {
                bar.abandon();
            }
        }
    }
}

/// Things per second, as whole ones.
pub(crate) fn rate_per_s(count: u64, elapsed: Duration) -> u64 {
    let micros = elapsed.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
