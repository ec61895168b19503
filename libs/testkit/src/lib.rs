//! Private servers for tests: PostgreSQL, Redis, RabbitMQ and a headless browser on free ports.
//!
//! Owns what it starts, from the folder to the last process, and stops exactly that, by process id, also when
//! the test process is killed. Must never touch a server of the machine, and must not be a dependency of
//! anything that ships.
//!
//! `testkit run … -- COMMAND` starts the servers once and hands their URLs to the command by environment; a
//! test process without them starts its own on first use.

mod chromium;
mod database;
mod error;
mod free_port;
mod postgres;
mod rabbitmq;
mod redis;
mod server;
mod shared;
mod watchdog;

pub use chromium::Chromium;
pub use database::{Postgres, TestDatabase};
pub use error::TestkitError;
pub use free_port::free_port;
pub use server::{Fsync, Kind, Server, start_all, start_all_in};
pub use shared::{amqp_url, own_postgres, postgres, redis_url};
pub use watchdog::{StopSignal, Watchdog};
