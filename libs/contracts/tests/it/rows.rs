//! Invariant under test: rows and messages are the JSON they were yesterday, and come back as what they were.

use crate::examples;
use contracts::log::{LogName, LogRow};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn pin<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    let json = serde_json::to_value(value).expect("JSON");
    let back: T = serde_json::from_value(json.clone()).expect("it comes back");
    assert_eq!(&back, value);
    insta::assert_json_snapshot!(name, json);
}

#[test]
fn a_row_of_each_log_is_the_json_it_was() {
    pin("payment", &examples::payment());
    pin("entry", &examples::entry());
    pin("refusal", &examples::refusal());
    pin("order", &examples::order());
    pin("item", &examples::item());
    pin("payout", &examples::payout());
    pin("voucher", &examples::voucher());
}

#[test]
fn messages_are_the_json_they_were() {
    pin("batch", &examples::batch(examples::order()));
    pin("marks", &examples::marks(LogName::Entries));
}

#[test]
fn rows_about_one_gift_are_about_one_id_and_money_without_a_gift_is_about_none() {
    let order = examples::order().order_id.uuid();
    assert_eq!(examples::entry().followed(), Some(order));
    assert_eq!(examples::order().followed(), Some(order));
    assert_eq!(examples::item().followed(), Some(order));
    assert_eq!(examples::payment().followed(), None);
    assert_eq!(examples::voucher().followed(), None, "a voucher nets many gifts");
}
