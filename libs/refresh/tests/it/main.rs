//! Published sets: what arrives, what is refused, what survives whose absence.

mod arriving;
mod polling;
mod shop;
