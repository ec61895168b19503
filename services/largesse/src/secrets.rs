//! Secrets and signing keys: from the environment, or from a 0600 file in the data directory. Never from a
//! committed file, never into a log.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use uuid::Uuid;

/// What the environment calls each secret.
const ENV_PREFIX: &str = "LARGESSE_SECRET_";

/// Every secret of one installation.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Signs bearer tokens (HS256).
    pub token_key: String,
    /// Signs the sandbox channel's callbacks.
    pub sandbox_key: String,
    /// Seeds blind boxes.
    pub blind_box_seed: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)") // Debug output ends in logs.
    }
}

impl Secrets {
    /// The secrets of a data directory, made at the first use. A secret in the environment
    /// (`LARGESSE_SECRET_TOKEN_KEY`, …) wins over the file's.
    ///
    /// # Errors
    /// [`Failure::SecretsReadable`] when others may read the file; [`Failure::BadSecrets`], [`Failure::File`].
    pub fn open(directory: &Path) -> Result<Secrets, Failure> {
        let path = directory.join("secrets.toml");
        let mut secrets = match std::fs::metadata(&path) {
            Ok(metadata) => {
                if metadata.permissions().mode() & 0o077 != 0 {
                    return Err(Failure::SecretsReadable(path));
                }
                read(&path)?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(directory, &path)?,
            Err(source) => return Err(Failure::File { path, source }),
        };
        for (name, secret) in [
            ("TOKEN_KEY", &mut secrets.token_key),
            ("SANDBOX_KEY", &mut secrets.sandbox_key),
            ("BLIND_BOX_SEED", &mut secrets.blind_box_seed),
        ] {
            if let Ok(value) = std::env::var(format!("{ENV_PREFIX}{name}")) {
                *secret = value;
            }
            if secret.len() < 32 {
                let reason = format!("{} is shorter than 32 characters", name.to_lowercase());
                return Err(Failure::BadSecrets { path, reason });
            }
        }
        Ok(secrets)
    }
}

impl Secrets {
    /// What signs and checks bearer tokens.
    ///
    /// # Errors
    /// [`Failure::Token`] where the key cannot be used.
    pub fn token_keys(&self) -> Result<edge::TokenKeys, Failure> {
        edge::TokenKeys::from_secret(self.token_key.as_bytes()).map_err(Failure::Token)
    }
}

fn read(path: &Path) -> Result<Secrets, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|source| Failure::File { path: path.to_owned(), source })?;
    // The parser's message may quote the file, so only its kind is told.
    toml::from_str(&text).map_err(|_| Failure::BadSecrets {
        path: path.to_owned(),
        reason: "it is not the TOML this version writes".to_owned(),
    })
}

fn create(directory: &Path, path: &Path) -> Result<Secrets, Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), source };
    // Two random UUIDs: 244 bits from the operating system.
    let fresh = || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let secrets = Secrets { token_key: fresh(), sandbox_key: fresh(), blind_box_seed: fresh() };
    let text = toml::to_string(&secrets)
        .map_err(|error| Failure::BadSecrets { path: path.to_owned(), reason: error.to_string() })?;
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(secrets)
}
