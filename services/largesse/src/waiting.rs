//! Waiting, with a bound, for what another process brings: the order in which processes start does not matter.
//!
//! What will not come by waiting (a wrong password, a schema of another program) fails at once.

use crate::failure::Failure;
use std::error::Error;
use std::time::{Duration, Instant};

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often it is said again what is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What went wrong with one look.
pub type Reason = Box<dyn Error + Send + Sync>;

/// The patience of a start.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    until: Instant,
    limit: Duration,
}

impl Waiting {
    pub fn new(limit: Duration) -> Waiting {
        Waiting { until: Instant::now() + limit, limit }
    }

    /// Looks until it is there. `what` is what is waited for, `change` what a person can do if it never comes.
    ///
    /// # Errors
    /// [`Failure::Waited`] when time is up, [`Failure::Refused`] when waiting cannot help.
    pub async fn until<T>(
        &self,
        what: &'static str,
        change: &'static str,
        mut look: impl AsyncFnMut() -> Result<T, Reason>,
    ) -> Result<T, Failure> {
        let mut said_at: Option<Instant> = None;
        loop {
            let reason = match look().await {
                Ok(found) => {
                    if said_at.is_some() {
                        tracing::info!(what, "it is there; going on");
                    }
                    return Ok(found);
                }
                Err(reason) => reason,
            };
            if !may_come(&*reason) {
                return Err(Failure::Refused { what, change, source: reason });
            }
            if Instant::now() >= self.until {
                return Err(Failure::Waited { what, change, seconds: self.limit.as_secs(), source: reason });
            }
            if said_at.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                tracing::warn!(what, reason = %in_one_line(&*reason), "waiting for what this process needs");
                said_at = Some(Instant::now());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether waiting may help.
pub fn may_come(reason: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(reason);
    while let Some(error) = cause {
        if let Some(pg::PgError::BadUrl(_) | pg::PgError::Differs { .. }) = error.downcast_ref() {
            return false;
        }
        if let Some(sqlx::Error::Database(database)) = error.downcast_ref::<sqlx::Error>() {
            // Class 28: wrong user or password. 3D000: no such database. 42501: not allowed.
            let code = database.code().unwrap_or_default();
            return !(code.starts_with("28") || code == "3D000" || code == "42501");
        }
        if let Some(sqlx::Error::Configuration(_) | sqlx::Error::Tls(_)) = error.downcast_ref() {
            return false;
        }
        if let Some(bus::BusError::BadUrl(_)) = error.downcast_ref() {
            return false;
        }
        if let Some(cache::CacheError::BadUrl | cache::CacheError::Refused { .. }) = error.downcast_ref() {
            return false;
        }
        cause = error.source();
    }
    // RabbitMQ says so in words.
    let text = in_one_line(reason);
    !["ACCESS_REFUSED", "NOT_ALLOWED"].iter().any(|word| text.contains(word))
}

/// An error with its causes.
pub fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::Waiting;
    use std::time::Duration;

    #[tokio::test]
    async fn what_comes_late_is_waited_for_and_what_never_comes_ends_with_what_to_change() {
        let mut looks = 0;
        let waiting = Waiting::new(Duration::from_secs(60));
        let found = waiting.until("the moon", "look up", async || {
            looks += 1;
            if looks < 2 { Err("not yet".into()) } else { Ok(looks) }
        });
        assert_eq!(found.await.expect("it came"), 2);
        let never = Waiting::new(Duration::ZERO);
        let refused = never.until("the moon", "look up", async || Err::<(), _>("not yet".into())).await;
        let said = refused.expect_err("time was up").to_string();
        assert!(said.contains("the moon") && said.contains("look up"), "{said}");
    }

    #[tokio::test]
    async fn a_wrong_password_is_not_waited_for() {
        let waiting = Waiting::new(Duration::from_secs(3_600));
        let refused = waiting
            .until("the broker", "correct amqp.url", async || {
                Err::<(), _>("403 ACCESS_REFUSED - Login was refused".into())
            })
            .await;
        assert!(refused.is_err());
    }
}
