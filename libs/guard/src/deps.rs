//! Dependencies: what this process calls, whether it can do without, and what it does then.
//!
//! Owns the registry and the way of calling. A strong dependency that fails makes the node unready, so that traffic
//! goes elsewhere; a weak one cannot even be called without saying what to do without it.

mod breaker;
mod call;
mod report;

pub use breaker::BreakerSettings;
pub use call::{CallError, Refused, Strong, Verdict, Weak};
pub use report::{DependencyReport, State, markdown_table, text_table};

use call::Core;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Dependencies that one registry takes, each node counted: a program that needs more has lost count.
pub const DEPENDENCIES_MAX: usize = 1_024;

/// One dependency, declared in code and nowhere else, so that tables and commands cannot say something different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// On metrics and in reports; one of its kind in a registry.
    pub name: &'static str,
    /// What it is used for, in one sentence.
    pub purpose: &'static str,
    pub need: Need,
    /// A call that takes longer has failed.
    pub timeout: Duration,
    /// Calls at once; one more is refused.
    pub in_flight_max: u32,
    pub breaker: BreakerSettings,
}

/// Whether there is a life without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// There is none: a node without it is unready.
    Strong,
    /// There is, and this is what it looks like, in one sentence.
    Weak { fallback: &'static str },
}

impl Need {
    pub const fn as_str(self) -> &'static str {
        match self {
            Need::Strong => "strong",
            Need::Weak { .. } => "weak",
        }
    }
}

/// Why a declaration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    #[error("{name} is declared twice")]
    Twice { name: &'static str },
    #[error("{name} is declared {declared}, and asked for as the other")]
    OtherNeed { name: &'static str, declared: &'static str },
    #[error("{name}: {what} must be more than zero")]
    Zero { name: &'static str, what: &'static str },
    #[error("{name}: a share is at most 100 percent")]
    ShareTooLarge { name: &'static str },
    #[error("a registry takes at most {DEPENDENCIES_MAX} dependencies")]
    TooMany,
}

/// Every dependency of one process. Clones share it.
#[derive(Clone, Default)]
pub struct Registry {
    declared: Arc<Mutex<Vec<Arc<Core>>>>,
}

impl Registry {
    /// Declares a strong dependency.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub fn strong(&self, declaration: &Declaration) -> Result<Strong, DeclareError> {
        match declaration.need {
            Need::Strong => Ok(Strong::new(self.declare(declaration)?)),
            Need::Weak { .. } => Err(other_need(declaration)),
        }
    }

    /// Declares one node of a strong dependency that has several: cap and breaker are this node's own, and the
    /// dependency is away when every node of it is. Who asks for the same node again shares it. A node whose last handle
    /// is dropped is forgotten, so nodes may come and go.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub fn strong_at(&self, declaration: &Declaration, node: &str) -> Result<Strong, DeclareError> {
        match declaration.need {
            Need::Strong => Ok(Strong::new(self.declare_at(declaration, node)?)),
            Need::Weak { .. } => Err(other_need(declaration)),
        }
    }

    /// Declares one node of a weak dependency that has several; see [`Registry::strong_at`].
    ///
    /// # Errors
    /// [`DeclareError`].
    pub fn weak_at(&self, declaration: &Declaration, node: &str) -> Result<Weak, DeclareError> {
        match declaration.need {
            Need::Weak { .. } => Ok(Weak::new(self.declare_at(declaration, node)?)),
            Need::Strong => Err(other_need(declaration)),
        }
    }

    /// Declares a weak dependency.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub fn weak(&self, declaration: &Declaration) -> Result<Weak, DeclareError> {
        match declaration.need {
            Need::Weak { .. } => Ok(Weak::new(self.declare(declaration)?)),
            Need::Strong => Err(other_need(declaration)),
        }
    }

    fn declare(&self, declaration: &Declaration) -> Result<Arc<Core>, DeclareError> {
        check(declaration)?;
        let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        if declared.iter().any(|other| other.declaration().name == declaration.name) {
            return Err(DeclareError::Twice { name: declaration.name });
        }
        add(&mut declared, Core::new(*declaration, None))
    }

    fn declare_at(&self, declaration: &Declaration, node: &str) -> Result<Arc<Core>, DeclareError> {
        check(declaration)?;
        let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        forget_nodes(&mut declared);
        let mut same = declared.iter().filter(|other| other.declaration().name == declaration.name);
        if same.clone().any(|other| other.node().is_none() || other.declaration() != declaration) {
            return Err(DeclareError::Twice { name: declaration.name });
        }
        if let Some(known) = same.find(|other| other.node() == Some(node)) {
            return Ok(Arc::clone(known));
        }
        add(&mut declared, Core::new(*declaration, Some(node.into())))
    }

    /// How every dependency is, in the order they were declared.
    pub fn report(&self) -> Vec<DependencyReport> {
        self.cores().iter().map(|core| core.report()).collect()
    }

    /// Whether every strong dependency answers; else the reason, for the node's readiness. A strong one that failed
    /// stays failed until calls through it have succeeded, so keep asking it ([`Strong::call`] in a timer): an unready
    /// node gets no traffic that would. One of several nodes answers while any of them is called or tried again: who
    /// knows a second node needs no timer.
    ///
    /// # Errors
    /// A sentence that names those that do not.
    pub fn strong_answer(&self) -> Result<(), String> {
        let cores = self.cores();
        let is_away = |core: &Core| match core.node() {
            None => core.state() != State::Closed,
            Some(_) => {
                let name = core.declaration().name;
                let mut nodes = cores.iter().filter(|other| other.declaration().name == name);
                nodes.all(|node| node.state() == State::Open)
            }
        };
        failing(&cores, Need::Strong.as_str(), is_away)
    }

    /// Whether every weak dependency answers; else which do not. This node stays ready without them.
    ///
    /// # Errors
    /// A sentence that names those that do not.
    pub fn weak_answer(&self) -> Result<(), String> {
        failing(&self.cores(), "weak", |core| core.state() != State::Closed)
    }

    fn cores(&self) -> Vec<Arc<Core>> {
        let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        forget_nodes(&mut declared);
        declared.clone()
    }
}

/// Forgets nodes that nobody can call any more. Under the registry's lock nobody else can begin to hold one.
fn forget_nodes(declared: &mut Vec<Arc<Core>>) {
    declared.retain(|core| core.node().is_none() || Arc::strong_count(core) > 1);
}

fn add(declared: &mut Vec<Arc<Core>>, core: Core) -> Result<Arc<Core>, DeclareError> {
    if declared.len() >= DEPENDENCIES_MAX {
        return Err(DeclareError::TooMany);
    }
    let core = Arc::new(core);
    declared.push(Arc::clone(&core));
    Ok(core)
}

fn failing(cores: &[Arc<Core>], need: &str, is_away: impl Fn(&Core) -> bool) -> Result<(), String> {
    let away = cores.iter().filter(|core| core.declaration().need.as_str() == need && is_away(core));
    let names: Vec<String> = away.map(|core| core.name()).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("these do not answer: {}", names.join(", "))) }
}

fn other_need(declaration: &Declaration) -> DeclareError {
    DeclareError::OtherNeed { name: declaration.name, declared: declaration.need.as_str() }
}

fn check(declaration: &Declaration) -> Result<(), DeclareError> {
    let (name, breaker) = (declaration.name, declaration.breaker);
    let zeros = [
        (declaration.timeout.is_zero(), "the timeout"),
        (declaration.in_flight_max == 0, "in_flight_max"),
        (breaker.window < Duration::from_millis(10), "the breaker's window, by 10 ms,"),
        (breaker.calls_min == 0, "the breaker's calls_min"),
        (breaker.failed_percent == 0, "the breaker's failed_percent"),
        (breaker.slow.is_zero(), "the breaker's slow"),
        (breaker.slow_percent == 0, "the breaker's slow_percent"),
        (breaker.open_for.is_zero(), "the breaker's open_for"),
        (breaker.trials == 0, "the breaker's trials"),
    ];
    if let Some((_, what)) = zeros.into_iter().find(|(is_zero, _)| *is_zero) {
        return Err(DeclareError::Zero { name, what });
    }
    if breaker.failed_percent > 100 || breaker.slow_percent > 100 {
        return Err(DeclareError::ShareTooLarge { name });
    }
    Ok(())
}
