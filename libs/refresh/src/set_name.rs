//! The name of a set, safe in keys, folders and labels.

/// 1 to 32 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetName(String);

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a set's name is 1 to {SET_NAME_LEN_MAX} characters of a-z, 0-9 and -")]
pub struct BadSetName;

/// Characters of the longest name.
pub const SET_NAME_LEN_MAX: usize = 32;

impl SetName {
    /// # Errors
    /// [`BadSetName`].
    pub fn try_new(name: &str) -> Result<SetName, BadSetName> {
        let fits = (1..=SET_NAME_LEN_MAX).contains(&name.len());
        let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if fits && name.bytes().all(is_safe) { Ok(SetName(name.to_owned())) } else { Err(BadSetName) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SetName {
    type Error = BadSetName;
    fn try_from(name: String) -> Result<SetName, BadSetName> {
        SetName::try_new(&name)
    }
}

impl From<SetName> for String {
    fn from(name: SetName) -> String {
        name.0
    }
}
