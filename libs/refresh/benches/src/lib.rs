//! Nothing: the benches stand beside it.
