//! The proof against small books written by hand: whole ones pass, and each fault is named.

mod by_hand;
mod closed_days;
mod faults;
mod whole;
