//! Holds the benches of guard; nothing of its own.
