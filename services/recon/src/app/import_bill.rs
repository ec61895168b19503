//! Brings a file in, whole or not at all: read once to the end and verified, then read again and staged, then counted.
//!
//! The file lies in an unnamed temporary file, so memory is a few hundred rows. Rows are staged in transactions of
//! their own under an id that follows from the file's hash; they count from the one statement on that says so.
//! An import that was cut off goes on when the same file comes again.

use crate::domain::bill_line::BillScope;
use crate::domain::canonical::hex;
use crate::store::bills::{self as store, BillState, BillView, NewRow};
use ::bills::{Bill, BillError, BillRow, ColumnProfile, Expect, Intake, Limits, Proof, Totals};
use chrono::Utc;
use contracts::class::{Classed, ErrorClass};
use ids::{Uuid, named_id};
use pg::Db;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// Rows of one staging transaction.
const CHUNK_ROWS: usize = 500;

/// Chunks that wait to be staged.
const CHUNKS_WAITING: usize = 4;

/// Files that are read at once; others wait.
const IMPORTS_MAX: usize = 2;

/// The longest name of a channel or a profile, in bytes.
const NAME_LEN_MAX: usize = 64;

/// Why a file is not in. Nothing of it counts then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Bill(#[from] BillError),
    #[error("this file is bill {0} already")]
    Known(Uuid),
    #[error("this file is coming in with another channel, scope or profile at this moment")]
    UnderWay,
    #[error("a channel is 1 to {NAME_LEN_MAX} lower-case letters, digits, - and _")]
    BadChannel,
    #[error("a profile's name is 1 to {NAME_LEN_MAX} lower-case letters, digits, - and _")]
    BadProfileName,
    #[error("there is no saved profile {0:?}")]
    NoSuchProfile(String),
    #[error("the file is {found}, not {said}")]
    OtherFormat { said: String, found: &'static str },
    #[error("line {0} holds a zero character, which no text of a bill has")]
    ZeroCharacter(u64),
    #[error("the temporary file failed")]
    Spool(#[source] std::io::Error),
    #[error("the file changed while it was read")]
    Changed,
    #[error("the database failed")]
    Db(#[from] sqlx::Error),
    #[error("the reading of the file ended without an answer")]
    Lost,
}

impl Classed for ImportError {
    fn class(&self) -> ErrorClass {
        match self {
            ImportError::Bill(BillError::Io(_)) | ImportError::Spool(_) | ImportError::Db(_) => {
                ErrorClass::Transient
            }
            ImportError::Bill(_)
            | ImportError::BadChannel
            | ImportError::BadProfileName
            | ImportError::NoSuchProfile(_)
            | ImportError::OtherFormat { .. }
            | ImportError::ZeroCharacter(_) => ErrorClass::Rejected,
            ImportError::Known(_) | ImportError::UnderWay => ErrorClass::Conflict,
            ImportError::Changed | ImportError::Lost => ErrorClass::Bug,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            ImportError::Bill(error) => error.code(),
            ImportError::Known(_) => "bill-known",
            ImportError::UnderWay => "bill-under-way",
            ImportError::BadChannel => "channel-malformed",
            ImportError::BadProfileName => "profile-name-malformed",
            ImportError::NoSuchProfile(_) => "no-such-profile",
            ImportError::OtherFormat { .. } => "bill-other-format",
            ImportError::ZeroCharacter(_) => "bill-broken",
            ImportError::Spool(_) => "spool-failed",
            ImportError::Changed => "bill-changed",
            ImportError::Db(_) => "database-unavailable",
            ImportError::Lost => "bill-reading-lost",
        }
    }
}

/// A file as it was handed in.
pub struct Upload {
    pub file: Arc<File>,
    pub channel: String,
    /// What it is about, where its format does not say.
    pub scope: Option<BillScope>,
    /// What whoever hands it in says it is.
    pub format: Option<String>,
    /// A saved profile's name.
    pub profile: Option<String>,
    /// What was told of it beforehand: it is that, or it is refused.
    pub expect: Expect,
    pub by: Uuid,
}

/// Reads files.
#[derive(Clone)]
pub struct Imports {
    db: Db,
    rows_max: u64,
    places: Arc<Semaphore>,
}

/// Whether a name may stand in keys and paths.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(plain)
}

impl Imports {
    pub fn new(db: Db, rows_max: u64) -> Imports {
        Imports { db, rows_max, places: Arc::new(Semaphore::new(IMPORTS_MAX)) }
    }

    /// Reads a file to its end and says what it is. Changes nothing.
    ///
    /// # Errors
    /// [`ImportError`], with the line and column of what is broken, or by how much totals are off.
    pub async fn verify(&self, upload: &Upload) -> Result<BillView, ImportError> {
        let _place = self.places.acquire().await.map_err(|_| ImportError::Lost)?;
        self.verified(upload).await.map(|(view, _, _)| view)
    }

    async fn verified(&self, upload: &Upload) -> Result<(BillView, [u8; 32], Intake), ImportError> {
        if !is_name(&upload.channel) {
            return Err(ImportError::BadChannel);
        }
        let (profile, profile_name) = self.profile(upload.profile.as_deref()).await?;
        let limits = Limits { rows_max: self.rows_max, ..Limits::default() };
        let intake = Intake { profile, limits, expect: upload.expect.clone(), ..Intake::default() };
        let (file, reader) = (Arc::clone(&upload.file), intake.clone());
        let read = tokio::task::spawn_blocking(move || read_through(&file, &reader));
        let bill = read.await.map_err(|_| ImportError::Lost)??;
        let label = bill.format.label();
        if let Some(said) = upload.format.as_ref().filter(|said| *said != label) {
            return Err(ImportError::OtherFormat { said: said.clone(), found: label });
        }
        let scope = upload.scope.unwrap_or_else(|| BillScope::of_format(label));
        let view = view_of(&bill, (upload, scope), profile_name);
        Ok((view, bill.sha256, intake))
    }

    async fn profile(
        &self,
        name: Option<&str>,
    ) -> Result<(Option<Arc<ColumnProfile>>, Option<String>), ImportError> {
        let Some(name) = name else { return Ok((None, None)) };
        let missing = || ImportError::NoSuchProfile(name.to_owned());
        let saved = store::list_profiles(&self.db, Some(name), 1).await?.pop().ok_or_else(missing)?;
        let profile: ColumnProfile =
            serde_json::from_value(saved.profile).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((Some(Arc::new(profile)), Some(format!("{name}@{}", saved.version))))
    }

    /// Brings a file in.
    ///
    /// # Errors
    /// [`ImportError`]; nothing of the file counts then.
    pub async fn import(&self, upload: &Upload) -> Result<BillView, ImportError> {
        let _place = self.places.acquire().await.map_err(|_| ImportError::Lost)?;
        let (view, sha256, intake) = self.verified(upload).await?;
        store::claim(&self.db, &view, sha256).await?;
        let claimed = store::find(&self.db, view.bill_id).await?.ok_or(ImportError::Changed)?;
        if claimed.state == BillState::Imported {
            return Err(ImportError::Known(claimed.bill_id));
        }
        if (claimed.scope, &claimed.channel, &claimed.profile) != (view.scope, &view.channel, &view.profile) {
            return Err(ImportError::UnderWay);
        }
        self.stage(upload, &view, intake).await?;
        if store::count_staged(&self.db, view.bill_id).await? != view.rows {
            return Err(ImportError::Changed);
        }
        if !store::finish(&self.db, view.bill_id, Utc::now()).await? {
            return Err(ImportError::Known(view.bill_id)); // Another import of it was faster.
        }
        tracing::info!(bill_id = %view.bill_id, channel = view.channel, rows = view.rows, "a bill was imported");
        Ok(store::find(&self.db, view.bill_id).await?.unwrap_or(view))
    }

    async fn stage(&self, upload: &Upload, view: &BillView, intake: Intake) -> Result<(), ImportError> {
        let (chunks, mut waiting) = mpsc::channel::<Vec<NewRow>>(CHUNKS_WAITING);
        let file = Arc::clone(&upload.file);
        let reading = tokio::task::spawn_blocking(move || read_chunks(&file, &intake, &chunks));
        let of = (view.bill_id, view.scope, view.channel.as_str());
        while let Some(rows) = waiting.recv().await {
            store::stage(&self.db, of, &rows).await?;
        }
        reading.await.map_err(|_| ImportError::Lost)?
    }

    /// Saves a column profile as its name's next version.
    ///
    /// # Errors
    /// [`ImportError::BadProfileName`], [`BillError::Profile`], and whatever the database says.
    pub async fn save_profile(
        &self,
        profile: &ColumnProfile,
        by: Uuid,
    ) -> Result<store::ProfileView, ImportError> {
        if !is_name(&profile.name) {
            return Err(ImportError::BadProfileName);
        }
        profile.check()?;
        let value = serde_json::to_value(profile).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(store::save_profile(&self.db, &profile.name, &value, by).await?)
    }
}

fn rewound(file: &File) -> Result<&File, ImportError> {
    let mut handle = file;
    handle.seek(SeekFrom::Start(0)).map_err(ImportError::Spool)?;
    Ok(file)
}

fn has_zero(row: &BillRow<'_>) -> bool {
    let texts = [&row.account, &row.channel_ref, &row.status, &row.raw];
    let optional = [&row.our_ref, &row.about_ref].into_iter().flatten();
    texts.into_iter().chain(optional).any(|text| text.contains('\0')) || row.kind.name().contains('\0')
}

fn read_through(file: &File, intake: &Intake) -> Result<Bill, ImportError> {
    let mut zero = None;
    let read = intake.read(rewound(file)?, &mut |row| {
        if has_zero(row) {
            zero = Some(row.line);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    match zero {
        Some(line) => Err(ImportError::ZeroCharacter(line)),
        None => Ok(read?),
    }
}

fn read_chunks(file: &File, intake: &Intake, chunks: &mpsc::Sender<Vec<NewRow>>) -> Result<(), ImportError> {
    let (mut chunk, mut row_no) = (Vec::with_capacity(CHUNK_ROWS), 0);
    let read = intake.read(rewound(file)?, &mut |row| {
        row_no += 1;
        chunk.push(new_row(row_no, row));
        if chunk.len() < CHUNK_ROWS {
            return ControlFlow::Continue(());
        }
        match chunks.blocking_send(std::mem::take(&mut chunk)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()), // Staging failed, and says why.
        }
    });
    read?;
    if !chunk.is_empty() {
        let _ = chunks.blocking_send(chunk); // Staging failed, and says why.
    }
    Ok(())
}

fn new_row(row_no: i64, row: &BillRow<'_>) -> NewRow {
    NewRow {
        row_no,
        line: i64::try_from(row.line).unwrap_or(i64::MAX),
        day: row.at.day(),
        kind: row.kind.name().to_owned(),
        account: row.account.to_string(),
        channel_ref: row.channel_ref.to_string(),
        our_ref: row.our_ref.as_ref().map(ToString::to_string),
        about_ref: row.about_ref.as_ref().map(ToString::to_string),
        status: row.status.to_string(),
        amount_minor: row.amount_minor,
        fee_micro: row.fee.get(),
        currency: row.currency.code().to_owned(),
        balance_minor: row.balance_minor,
        raw: row.raw.to_string(),
    }
}

fn totals_of((currency, totals): (&::bills::Currency, &Totals)) -> (String, Value) {
    let of = json!({
        "rows": totals.rows, "in_minor": totals.in_minor, "out_minor": totals.out_minor,
        "fee_micro": totals.fee.get(),
    });
    (currency.code().to_owned(), of)
}

fn proof_name(proof: &Proof) -> &'static str {
    match proof {
        Proof::RowCount => "row_count",
        Proof::Sums => "sums",
        Proof::RunningBalance => "running_balance",
        Proof::OpeningToClosing => "opening_to_closing",
        Proof::GrossFeeNet => "gross_fee_net",
        Proof::PayoutsToZero => "payouts_to_zero",
        Proof::Summary => "summary",
        Proof::Hash => "hash",
    }
}

fn view_of(bill: &Bill, (upload, scope): (&Upload, BillScope), profile: Option<String>) -> BillView {
    let sha256 = hex(&bill.sha256);
    let totals: serde_json::Map<String, Value> = bill.totals.iter().map(totals_of).collect();
    BillView {
        bill_id: named_id("bill", &sha256),
        sha256,
        scope,
        channel: upload.channel.clone(),
        format: bill.format.label().to_owned(),
        profile,
        state: BillState::Staging,
        period_from: bill.covers.map(|(from, _)| from),
        period_to: bill.covers.map(|(_, to)| to),
        rows: i64::try_from(bill.rows).unwrap_or(i64::MAX),
        bytes: i64::try_from(bill.bytes).unwrap_or(i64::MAX),
        totals: Value::Object(totals),
        proofs: json!(bill.proofs.iter().map(proof_name).collect::<Vec<_>>()),
        accounts: json!(bill.accounts),
        imported_by: upload.by,
        imported_at: None,
    }
}
