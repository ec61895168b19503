//! Invariants under test: what a broker promises its users, the same for every broker, and that RabbitMQ's
//! absence is an answer and not a wait.

mod cable;
mod contract;
mod rabbitmq;
