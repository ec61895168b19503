//! Timers: the daily run, at its time of day and whenever one is asked for.

pub mod daily_work;
