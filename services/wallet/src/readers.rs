//! Readers of other services' logs.

mod on_payments;

pub(crate) use on_payments::PaymentsReader;
