//! Commands bound for one wallet node travel together: while a few requests are under way the next commands
//! gather, and a lone command does not wait for company.

use crate::calls::{Call, CallError, Needed};
use crate::config::Config;
use contracts::wallet::{Answer, Answers, Command, WalletError};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

const PATH: &str = "/internal/wallet/commands";

/// What became of one attempt to have a command decided.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The node answered.
    Answered(Result<Answer, WalletError>),
    /// The node has not seen the command.
    NotSent(String),
    /// The node may have decided it.
    NoAnswer(String),
    /// More is queued for this node than may be.
    Full,
}

struct Job {
    command: Arc<Command>,
    traceparent: Option<String>,
    attempt: oneshot::Sender<Attempt>,
}

/// The way to one wallet node.
pub(crate) struct NodeQueue {
    jobs: mpsc::Sender<Job>,
    _lines: JoinSet<()>,
}

/// As [`contracts::wallet::Commands`], without a copy of any command.
#[derive(Serialize)]
struct CommandsOf<'a> {
    commands: Vec<&'a Command>,
}

impl NodeQueue {
    /// Opens the lines to a node. Needs a runtime.
    pub fn start(node: &Needed, config: &Config) -> NodeQueue {
        let (jobs, queue) = mpsc::channel(config.queue_len_max);
        let queue = Arc::new(Mutex::new(queue));
        let mut lines = JoinSet::new();
        for _ in 0..config.requests_in_flight_max {
            let line = Line {
                node: node.clone(),
                queue: Arc::clone(&queue),
                batch_len_max: config.batch_len_max,
                batch_wait_max: Duration::from_micros(config.batch_wait_max_us),
            };
            lines.spawn(line.run());
        }
        NodeQueue { jobs, _lines: lines }
    }

    /// Sends one command with whatever else is bound for the node.
    pub async fn decide(&self, command: Arc<Command>) -> Attempt {
        let (attempt, outcome) = oneshot::channel();
        let job = Job { command, traceparent: telemetry::traceparent(), attempt };
        if self.jobs.try_send(job).is_err() {
            return Attempt::Full; // The lines never end while this lives.
        }
        outcome.await.unwrap_or_else(|_| Attempt::NoAnswer("this process is stopping".to_owned()))
    }
}

/// One request at a time.
struct Line {
    node: Needed,
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    batch_len_max: usize,
    batch_wait_max: Duration,
}

impl Line {
    async fn run(self) {
        let mut batch = Vec::with_capacity(self.batch_len_max);
        while self.gather(&mut batch).await {
            // Whoever has gone away asks later what became of it; nobody need decide it now.
            batch.retain(|job: &Job| !job.attempt.is_closed());
            if !batch.is_empty() {
                self.send(std::mem::take(&mut batch)).await;
            }
        }
    }

    /// Takes what is queued; while others are about to queue more, lets them, until a look finds nothing new.
    async fn gather(&self, batch: &mut Vec<Job>) -> bool {
        let mut queue = self.queue.lock().await;
        if queue.recv_many(batch, self.batch_len_max).await == 0 {
            return false;
        }
        let began = Instant::now();
        while batch.len() < self.batch_len_max && began.elapsed() < self.batch_wait_max {
            tokio::task::yield_now().await;
            let before = batch.len();
            while batch.len() < self.batch_len_max {
                let Ok(job) = queue.try_recv() else { break };
                batch.push(job);
            }
            if batch.len() == before {
                break;
            }
        }
        true
    }

    async fn send(&self, batch: Vec<Job>) {
        metrics::histogram!("largesse_peer_batch_commands").record(gauge(batch.len()));
        match self.ask(&batch).await {
            Ok(answers) => {
                for (job, answer) in batch.into_iter().zip(answers) {
                    let _ = job.attempt.send(Attempt::Answered(answer)); // A caller that left asks later.
                }
            }
            Err(error) => {
                tracing::debug!(%error, commands = batch.len(), "a request to the wallet has no answer");
                for job in batch {
                    let _ = job.attempt.send(match &error {
                        CallError::NotSent { .. } => Attempt::NotSent(error.to_string()),
                        CallError::NoAnswer { .. } => Attempt::NoAnswer(error.to_string()),
                    });
                }
            }
        }
    }

    async fn ask(&self, batch: &[Job]) -> Result<Vec<Result<Answer, WalletError>>, CallError> {
        let commands = CommandsOf { commands: batch.iter().map(|job| &*job.command).collect() };
        let not_sent = |reason: String| CallError::NotSent { place: self.node.url().to_string(), reason };
        let body = serde_json::to_vec(&commands).map_err(|error| not_sent(error.to_string()))?;
        // A request carries one trace: that of its first traced command. The others are found by their order's id.
        let traceparent = batch.iter().find_map(|job| job.traceparent.clone());
        let call = Call { traceparent, ..Call::post(PATH, body) };
        let reply = self.node.send(call).await?;
        if !reply.status.is_success() {
            // Refused before any command was looked at: overload, a stopping node, a token that is not ours.
            return Err(not_sent(crate::owner_map::said(&reply)));
        }
        let no_answer = |reason: String| CallError::NoAnswer { place: self.node.url().to_string(), reason };
        let answers: Answers =
            serde_json::from_slice(&reply.body).map_err(|error| no_answer(error.to_string()))?;
        if answers.answers.len() == batch.len() {
            Ok(answers.answers)
        } else {
            Err(no_answer(format!("{} answers to {} commands", answers.answers.len(), batch.len())))
        }
    }
}

fn gauge(len: usize) -> f64 {
    u32::try_from(len).map_or(f64::MAX, f64::from)
}
