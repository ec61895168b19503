//! Invariant under test: what the edge says on the wire, byte by byte, and whom it lets in.

mod bodies;
mod docs;
mod health;
mod keys;
mod overload_and_lanes;
mod pages;
mod problems;
mod red;
mod served;
mod tokens;
mod wire;
