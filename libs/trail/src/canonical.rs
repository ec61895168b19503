//! One text for one value: JSON with sorted keys and without spaces, and its SHA-256.
//!
//! Written out here because hashes of it are stored: the order of keys must not follow a feature of a library.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The canonical text of a value. Values of the trail hold integers, strings, booleans, lists and objects.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string()); // Scalars have one spelling.
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(&Value::String(key.clone()), text);
                text.push(':');
                write(members.get(key).unwrap_or(&Value::Null), text);
            }
            text.push('}');
        }
    }
}

/// The hash of a value's canonical text, behind what came before it.
pub fn hash_of(previous: &[u8], value: &Value) -> Hash {
    Sha256::new().chain_update(previous).chain_update(canonical(value)).finalize().into()
}

/// A hash as people compare it: 64 hexadecimal digits.
pub fn hex(hash: &[u8]) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing into a text cannot fail.
        text
    })
}

/// The hash that 64 hexadecimal digits spell.
pub fn hash_of_hex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = Hash::default();
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_in_which_keys_were_written_does_not_matter() {
        let (one, other) =
            (r#"{"b":[1,{"d":"ü","c":null}],"a":true}"#, r#"{"a":true,"b":[1,{"c":null,"d":"ü"}]}"#);
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(canonical(&read(one)), other);
        assert_eq!(canonical(&read(other)), other);
        assert_ne!(canonical(&json!({"a": [1, 2]})), canonical(&json!({"a": [2, 1]})));
    }

    #[test]
    fn the_hash_of_a_known_value_never_changes() {
        let hash = hash_of(&[0; 32], &json!({"seq": 1, "act": "detected"}));
        assert_eq!(hex(&hash), "b8fbbd777755a6a2e5c2861116ff11ba99a22c593a73c4d9f478b546a7eaeffb");
        assert_eq!(hash_of_hex(&hex(&hash)), Some(hash));
        assert_eq!(hash_of_hex("00"), None);
        assert_eq!(hash_of_hex(&"é".repeat(32)), None);
    }
}
