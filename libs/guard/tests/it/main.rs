//! Invariant under test: nobody is let in past the limit, who pays goes first, and whoever is refused is told why.

mod capacity;
mod dependencies;
mod fixed_limit;
mod layers;
mod overload;
mod priorities;
mod quotas;
mod simulation;
