//! Other processes as this one sees them: real HTTP against small wallet nodes that can be told to misbehave.

mod growing;
mod guarded;
mod node;
mod owners;
mod rows;
mod wallet;
