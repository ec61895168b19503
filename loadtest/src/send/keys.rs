//! The run file, and the request keys derived from it: what makes a rerun the same run.

use super::SendError;
use crate::read::FileSum;
use chrono::{DateTime, Utc};
use ids::{SendKey, Uuid, ViewerId, derive_id, id_time, partition_of};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;

const RUN_FORMAT: u32 = 1;
/// The longest run file, in bytes; ours have about 200.
const RUN_FILE_LEN_MAX: u64 = 4_096;

/// One run of one file. It is on disk before the first request leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    format: u32,
    /// A UUIDv7; every key carries its time, so no key lies in the future.
    run_id: Uuid,
    /// When the run first started, for people; the same instant as the id's.
    started_at: DateTime<Utc>,
    /// SHA-256 of the file: another file is another run.
    file_sha256: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Some recharges may be missing; no gift was sent.
    Recharging,
    /// Every recharge is in its wallet.
    Recharged,
}

/// What a key is for: two requests of one line have two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Recharge,
    Payment,
    Gift,
    Setup,
}

impl Run {
    /// Finds the run of this file, or starts one and makes it durable.
    ///
    /// # Errors
    /// [`SendError::RunFile`] where the file cannot be read or written, [`SendError::RunFileDamaged`] where it
    /// is not a run file, [`SendError::OtherRun`] where it remembers a run of another replay file.
    pub fn open(path: &Path, sum: FileSum) -> Result<Run, SendError> {
        let run_file_error = |source| SendError::RunFile { path: path.to_owned(), source };
        let text = match read_bounded(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let run_id = Uuid::now_v7();
                let started_at = DateTime::from_timestamp_millis(id_time(run_id).unix_ms).unwrap_or_default();
                let run = Run {
                    format: RUN_FORMAT,
                    run_id,
                    started_at,
                    file_sha256: sum.to_string(),
                    stage: Stage::Recharging,
                };
                run.save(path)?;
                return Ok(run);
            }
            read => read.map_err(run_file_error)?,
        };
        let damaged = |problem: String| SendError::RunFileDamaged { path: path.to_owned(), problem };
        let run: Run = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if run.format != RUN_FORMAT {
            return Err(damaged(format!("written by another version (format {})", run.format)));
        }
        if run.run_id.get_version_num() != 7 {
            return Err(damaged("its run_id is not a UUIDv7".to_owned()));
        }
        if run.file_sha256 != sum.to_string() {
            return Err(SendError::OtherRun { path: path.to_owned() });
        }
        Ok(run)
    }

    pub fn run_id(&self) -> Uuid {
        self.run_id
    }

    pub(super) fn is_recharged(&self) -> bool {
        self.stage == Stage::Recharged
    }

    /// The same run, past its recharges, durably.
    pub(super) fn recharged(self, path: &Path) -> Result<Run, SendError> {
        let run = Run { stage: Stage::Recharged, ..self };
        run.save(path)?;
        Ok(run)
    }

    /// The key of one request of one line: the same in every rerun.
    pub(super) fn key(&self, purpose: Purpose, number: u64, viewer: ViewerId) -> SendKey {
        let what = match purpose {
            Purpose::Recharge => "replay-recharge",
            Purpose::Payment => "replay-payment",
            Purpose::Gift => "replay-gift",
            Purpose::Setup => "replay-setup",
        };
        let parts: [&[u8]; 2] = [self.run_id.as_bytes(), &number.to_be_bytes()];
        SendKey::from_uuid(derive_id(self.run_id, what, &parts, partition_of(viewer.uuid())))
    }

    /// Written aside, synced, then renamed: after a crash there is the old file or the new one.
    fn save(&self, path: &Path) -> Result<(), SendError> {
        let text = serde_json::to_string(self).map_err(|error| SendError::RunFileDamaged {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        write_durably(path, text.as_bytes())
            .map_err(|source| SendError::RunFile { path: path.to_owned(), source })
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, RUN_FILE_LEN_MAX), &mut text)?;
    Ok(text)
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("writing");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
