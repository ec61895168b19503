//! The name of a set, safe in keys, folders and labels.

use crate::installation::Installation;

/// 1 to 32 characters of `a-z`, `0-9` and `-`; in keys behind the mark of the installation whose set it is, if there is
/// one. On the wire it is the name alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetName {
    name: String,
    installation: Option<Installation>,
}

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
        if fits && name.bytes().all(is_safe) {
            Ok(SetName { name: name.to_owned(), installation: None })
        } else {
            Err(BadSetName)
        }
    }

    /// The set of this name in one of several installations that share a cache. Producer and consumers name the same.
    #[must_use]
    pub fn of(self, installation: &Installation) -> SetName {
        SetName { installation: Some(installation.clone()), ..self }
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// What its keys begin with.
    pub(crate) fn key(&self) -> String {
        match &self.installation {
            None => format!("refresh:{}", self.name),
            Some(installation) => format!("refresh:{}:{}", installation.as_str(), self.name),
        }
    }
}

impl std::fmt::Display for SetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
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
        name.name
    }
}
