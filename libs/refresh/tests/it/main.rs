//! Published sets: what arrives, what is refused, what survives whose absence.

mod arriving;
mod by_hand;
mod electing;
mod faults;
mod refusing;
mod sharing;
mod shop;
