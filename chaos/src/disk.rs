//! A disk small enough to fill: a tmpfs mounted on a folder of the experiment's own.

use crate::ChaosError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; unmounted when dropped.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `size_mib` on `folder`. Needs the right to mount.
    ///
    /// # Errors
    /// [`ChaosError::Disk`] with what `mount` said.
    pub fn mount(folder: &Path, size_mib: u32) -> Result<SmallDisk, ChaosError> {
        let failed = |reason: String| ChaosError::Disk(reason);
        std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        let said = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "tmpfs"])
            .arg(folder)
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if said.status.success() {
            Ok(SmallDisk { folder: folder.to_owned() })
        } else {
            Err(failed(String::from_utf8_lossy(&said.stderr).trim().to_owned()))
        }
    }

    /// Makes the disk larger while it is in use.
    ///
    /// # Errors
    /// [`ChaosError::Disk`] with what `mount` said.
    pub fn grow(&self, size_mib: u32) -> Result<(), ChaosError> {
        let said = Command::new("mount")
            .args(["-o", &format!("remount,size={size_mib}m")])
            .arg(&self.folder)
            .output()
            .map_err(|error| ChaosError::Disk(error.to_string()))?;
        if said.status.success() {
            Ok(())
        } else {
            Err(ChaosError::Disk(String::from_utf8_lossy(&said.stderr).trim().to_owned()))
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a killed process may still hold a file open for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
