//! Amounts as text, and the names of accounts.

use exports::{Account, Growth, UNITS_MAX, decimal_text, ledger_name};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Reads decimal text back into units, by itself.
pub fn units_of(text: &str, scale: usize) -> i128 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(part.len() <= scale, "{text} has more than {scale} places");
    let all = format!("{whole}{part}{}", "0".repeat(scale - part.len()));
    sign * all.parse::<i128>().expect("digits")
}

#[test]
fn amounts_read_as_finance_writes_them() {
    for (units, scale, text) in [
        (0, 8, "0.00"),
        (1, 8, "0.00000001"),
        (-5_000_000_000, 8, "-50.00"),
        (5_010_000_000, 8, "50.10"),
        (123, 2, "1.23"),
        (-7, 0, "-7"),
        (12, 1, "1.2"),
        (UNITS_MAX, 2, "9999999999999999999999999.99"),
    ] {
        assert_eq!(decimal_text(units, scale), text);
    }
}

/// The code that a name was made of, read by the rule that the docs give.
fn code_of(part: &str) -> Option<String> {
    let mut code = String::new();
    let mut rest = part.strip_prefix('A')?;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '-' => code.push('.'),
            'Z' => {
                let (point, after) = rest.split_once('Z')?;
                let point = if point.is_empty() {
                    'Z'
                } else {
                    char::from_u32(u32::from_str_radix(point, 16).ok()?)?
                };
                code.push(point);
                rest = after;
            }
            plain => code.push(plain),
        }
    }
    Some(code)
}

fn code() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9A-Za-z.-]{1,12}", "[Z2dé.-]{1,6}", "\\PC{1,6}"]
}

proptest! {
    #[test]
    fn decimal_text_loses_no_digit(units in -UNITS_MAX..=UNITS_MAX, scale in 0_u8..=12) {
        prop_assert_eq!(units_of(&decimal_text(units, scale), usize::from(scale)), units);
    }

    #[test]
    fn no_two_accounts_share_a_name_and_every_name_is_legal(
        codes in proptest::collection::btree_set(code(), 2..40), debit in any::<bool>(),
    ) {
        let grows = if debit { Growth::Debit } else { Growth::Credit };
        let mut taken = BTreeMap::new();
        for code in codes {
            let name = ledger_name(&Account { code: code.clone(), name: String::new(), grows });
            let (root, part) = name.split_once(':').expect("a root and one part");
            prop_assert!(["Assets", "Liabilities", "Equity", "Income", "Expenses"].contains(&root));
            prop_assert!(part.starts_with('A') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{}", part);
            prop_assert_eq!(code_of(part), Some(code.clone()));
            let other = taken.insert(part.to_owned(), code.clone());
            prop_assert!(other.is_none(), "{:?} and {:?} are both {}", code, other, part);
        }
    }
}

#[test]
fn an_accounts_name_says_its_root_and_code() {
    let name = |code: &str, grows| ledger_name(&Account { code: code.into(), name: "any".into(), grows });
    assert_eq!(name("2205.01", Growth::Credit), "Liabilities:A2205-01");
    assert_eq!(name("1122", Growth::Debit), "Assets:A1122");
    assert_eq!(name("6001", Growth::Credit), "Income:A6001");
    assert_eq!(name("6401.01", Growth::Debit), "Expenses:A6401-01");
    assert_eq!(name("4001", Growth::Credit), "Equity:A4001");
    assert_eq!(name("X-9.z", Growth::Credit), "Liabilities:AXZ2dZ9-z");
}
