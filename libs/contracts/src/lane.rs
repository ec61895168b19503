//! The lane a request runs in. Storage, cache and queue handles cannot be had without one, so that shadow
//! traffic cannot leak into live books by forgetting.

/// Live traffic, or one shadow run.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    #[default]
    Live,
    Shadow(RunName),
}

/// The name of one shadow run: 1 to 16 characters of `a-z0-9`, safe in schema, key and exchange names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

/// Why a run's name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a shadow run's name is 1 to 16 characters of a-z and 0-9")]
pub struct BadRunName;

impl RunName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunName {
    type Error = BadRunName;
    fn try_from(name: String) -> Result<RunName, BadRunName> {
        let fits = (1..=16).contains(&name.len());
        let safe = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if fits && safe { Ok(RunName(name)) } else { Err(BadRunName) }
    }
}

impl From<RunName> for String {
    fn from(name: RunName) -> String {
        name.0
    }
}

impl Lane {
    /// What schemas, key prefixes and exchanges of this lane begin with: nothing for live, `shadow_<run>_`.
    pub fn prefix(&self) -> String {
        match self {
            Lane::Live => String::new(),
            Lane::Shadow(run) => format!("shadow_{}_", run.0),
        }
    }

    /// The UUID version of this lane's ids. Live tables refuse version 8 by constraint.
    pub fn id_version(&self) -> u8 {
        match self {
            Lane::Live => 7,
            Lane::Shadow(_) => 8,
        }
    }
}
