//! Figures of bills beside the csv crate; everything is in `benches/`.
