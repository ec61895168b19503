//! The rooms of a service: nothing in `domain` can wait, read a clock, or fail for reasons of infrastructure.

use crate::{File, Finding, code_only};

/// What a `domain` module must not mention, and why.
const NOT_IN_DOMAIN: [(&str, &str); 8] = [
    ("sqlx", "SQL belongs in store"),
    ("tokio", "domain does not wait"),
    ("axum", "HTTP belongs in http"),
    ("reqwest", "domain asks nobody"),
    ("SystemTime", "domain is told the time"),
    ("Instant", "domain is told the time"),
    ("now_v7", "domain is given ids"),
    ("async", "domain does not wait"),
];

/// The wallet decides the same way each time it is replayed, so nothing there may follow a hash order.
const NOT_IN_WALLET: [(&str, &str); 2] = [
    ("HashMap", "its order is not the same twice; take BTreeMap"),
    ("HashSet", "its order is not the same twice; take BTreeSet"),
];

/// The rooms above: `domain` calls nothing of them.
const ABOVE: [&str; 6] = ["app", "config", "http", "jobs", "readers", "store"];

/// Breaches of the rooms in services.
pub fn broken_rooms(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| is_domain(file)) {
        let code = code_only(&file.text);
        // Tests at the end of a file may use what they like.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let says =
            |word: &str| code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word);
        let in_wallet = file.path.starts_with("services/wallet/");
        let more = if in_wallet { &NOT_IN_WALLET[..] } else { &[] };
        for (word, why) in NOT_IN_DOMAIN.iter().chain(more).filter(|(word, _)| says(word)) {
            found.push(Finding::new(&file.path, format!("{word}: {why}")));
        }
        if code.contains("Utc::now") {
            found.push(Finding::new(&file.path, "Utc::now: domain is told the time"));
        }
        for room in ABOVE.iter().filter(|room| code.contains(&format!("crate::{room}"))) {
            found.push(Finding::new(&file.path, format!("domain must not use crate::{room}")));
        }
    }
    found
}

/// Whether a file is part of a service's domain; files of tests are not.
fn is_domain(file: &File) -> bool {
    let inside = file.path.strip_prefix("services/").and_then(|path| path.split_once("/src/"));
    let inside = inside.is_some_and(|(_, inside)| inside == "domain.rs" || inside.starts_with("domain/"));
    inside && file.is_rust() && !file.stem().ends_with("tests")
}

#[cfg(test)]
mod tests {
    use super::broken_rooms;
    use crate::File;

    #[test]
    fn a_domain_that_waits_reads_a_clock_or_asks_the_database_is_caught() {
        let bad =
            ["pub async fn f() {}", "let now = Utc::now();", "use sqlx::Row;", "use crate::store::Orders;"];
        for text in bad {
            assert_eq!(
                broken_rooms(&[File::new("services/gift/src/domain/order.rs", text)]).len(),
                1,
                "{text}"
            );
            assert_eq!(broken_rooms(&[File::new("services/gift/src/domain.rs", text)]).len(), 1, "{text}");
            assert_eq!(broken_rooms(&[File::new("services/gift/src/store/orders.rs", text)]), [], "{text}");
        }
    }

    #[test]
    fn a_hash_order_is_caught_in_the_wallet_only() {
        let text = "use std::collections::HashMap;";
        assert_eq!(broken_rooms(&[File::new("services/wallet/src/domain/state.rs", text)]).len(), 1);
        assert_eq!(broken_rooms(&[File::new("services/gift/src/domain/combo.rs", text)]), []);
    }

    #[test]
    fn the_type_of_an_instant_is_not_a_clock() {
        let text = "fn is_late(now: DateTime<Utc>) -> bool { now > DEADLINE }";
        assert_eq!(broken_rooms(&[File::new("services/gift/src/domain/order.rs", text)]), []);
    }

    #[test]
    fn comments_and_tests_may_say_what_they_like() {
        let text = "// async is for app\nfn f() {}\n#[cfg(test)]\nmod tests { use tokio::test; }";
        assert_eq!(broken_rooms(&[File::new("services/gift/src/domain/order.rs", text)]), []);
        let tests = File::new("services/gift/src/domain/model_tests.rs", "use std::time::Instant;");
        assert_eq!(broken_rooms(&[tests]), []);
    }
}
