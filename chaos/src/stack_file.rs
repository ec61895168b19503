//! The file that says what runs: who keeps the stack, and each process by number and birth.

use crate::{Born, ChaosError, Process, born_at};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const NAME: &str = "stack.json";

/// A running stack, as other commands find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFile {
    pub keeper: u32,
    pub keeper_born: Option<Born>,
    /// A data directory with the stack's secrets, for `largesse token` and `largesse replay`.
    pub data_dir: PathBuf,
    pub processes: Vec<StackProcess>,
    pub servers: Vec<(String, String)>,
}

/// One process of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackProcess {
    pub name: String,
    pub services: Vec<String>,
    pub url: String,
    pub log: PathBuf,
    pub id: Option<u32>,
    pub born: Option<Born>,
}

impl StackProcess {
    pub(crate) fn of(process: &Process) -> StackProcess {
        let (id, born) = process.running().unzip();
        StackProcess {
            name: process.role.name.to_owned(),
            services: process.role.services.iter().map(|service| (*service).to_owned()).collect(),
            url: process.url(),
            log: process.log.clone(),
            id,
            born,
        }
    }

    /// Whether this very process still runs, and not another under its number.
    pub fn is_alive(&self) -> bool {
        self.id.is_some_and(|id| self.born.is_some() && born_at(id) == self.born)
    }
}

impl StackFile {
    /// The stack of a folder; `None` where none was started.
    pub fn find(folder: &Path) -> Option<StackFile> {
        let text = std::fs::read(folder.join(NAME)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it for other commands to find.
    ///
    /// # Errors
    /// [`ChaosError::File`].
    pub fn write(&self, folder: &Path) -> Result<(), ChaosError> {
        let path = folder.join(NAME);
        let failed = |source| ChaosError::File { path: path.clone(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        std::fs::write(&path, text).map_err(failed)
    }

    /// Removes it.
    pub fn remove(folder: &Path) {
        let _ = std::fs::remove_file(folder.join(NAME)); // Gone is what it shall be.
    }

    pub fn is_kept(&self) -> bool {
        self.keeper_born.is_some() && born_at(self.keeper) == self.keeper_born
    }
}
