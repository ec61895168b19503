//! ZIP archives: which member is the bill, by its content. A workbook is an archive too.

use crate::alipay;
use crate::bill::{Proof, Sink};
use crate::detect::Detected;
use crate::error::{BillError, Flaw, Place};
use crate::intake::read_head;
use crate::source::{Digested, Unpacked, from_io};
use crate::{Expect, Format, Intake, Limits, Refusal};
use encoding_rs::GBK;
use std::io::{Read, Seek};
use zip::ZipArchive;
use zip::result::ZipError;

/// What every workbook holds.
const WORKBOOK: &str = "xl/workbook.xml";

pub(crate) fn open<F: Read + Seek>(file: F, limits: &Limits) -> Result<ZipArchive<F>, BillError> {
    let archive = ZipArchive::new(file).map_err(from_zip)?;
    if archive.len() > limits.members_max {
        let at_most = u64::try_from(limits.members_max).unwrap_or(u64::MAX);
        return Err(BillError::TooMuch { place: Place::default(), limit: "members_max", at_most });
    }
    Ok(archive)
}

pub(crate) fn from_zip(error: ZipError) -> BillError {
    match error {
        ZipError::Io(error) => from_io(error, Place::default()),
        other => BillError::broken(Place::default(), "the archive", Flaw::Malformed, &other.to_string()),
    }
}

/// A member, unpacked no further than its packed size allows.
pub(crate) fn member<'a, F: Read + Seek>(
    archive: &'a mut ZipArchive<F>,
    index: usize,
    limits: &Limits,
) -> Result<Unpacked<impl Read + use<'a, F>>, BillError> {
    let member = archive.by_index(index).map_err(from_zip)?;
    let packed = member.compressed_size();
    Ok(Unpacked::new(member, packed, limits))
}

pub(crate) fn is_workbook<F: Read + Seek>(file: &mut F, limits: &Limits) -> Result<bool, BillError> {
    let is_workbook = open(&mut *file, limits)?.index_for_name(WORKBOOK).is_some();
    file.rewind().map_err(BillError::Io)?;
    Ok(is_workbook)
}

/// The members that matter.
#[derive(Default)]
struct Members {
    /// The bill, its first bytes, and what it is.
    bill: Option<(usize, Vec<u8>, Format)>,
    summary: Option<usize>,
}

fn members<F: Read + Seek>(archive: &mut ZipArchive<F>, intake: &Intake) -> Result<Members, BillError> {
    let mut found = Members::default();
    for index in 0..archive.len() {
        let head = read_head(member(archive, index, &intake.limits)?)?;
        if head.is_empty() {
            continue; // A folder.
        }
        let twice = |name: &str| BillError::broken(Place::default(), "the archive's bill", Flaw::Twice, name);
        match intake.detect_text(&head) {
            Ok(Detected { format, .. }) => {
                if found.bill.is_some() {
                    return Err(twice(format.label()));
                }
                found.bill = Some((index, head, format));
            }
            Err(BillError::Refused(Refusal::AlipaySummaryOnly)) => {
                if found.summary.replace(index).is_some() {
                    return Err(twice("the summary"));
                }
            }
            // Read-me files and summaries of fund bills: nothing in them is money that the bill has not.
            Err(BillError::Refused(Refusal::Unknown(_))) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

pub(crate) fn detect<F: Read + Seek>(mut file: F, intake: &Intake) -> Result<Format, BillError> {
    if is_workbook(&mut file, &intake.limits)? {
        crate::workbook::refuse_personal(&mut file, &intake.limits)?;
        let profile = intake.profile.clone().ok_or(Refusal::WorkbookWithoutProfile)?;
        return Ok(Format::Profile(profile));
    }
    let mut archive = open(file, &intake.limits)?;
    let members = members(&mut archive, intake)?;
    members.bill.map(|(_, _, format)| format).ok_or_else(|| nothing(members.summary))
}

fn nothing(summary: Option<usize>) -> BillError {
    summary.map_or(Refusal::EmptyArchive, |_| Refusal::AlipaySummaryOnly).into()
}

/// Reads the bill in an archive, and the summary beside an Alipay trade bill.
pub(crate) fn read<F: Read + Seek>(
    file: F,
    intake: &Intake,
    sink: &mut Sink<'_>,
) -> Result<(Format, Digested), BillError> {
    let mut archive = open(file, &intake.limits)?;
    let Members { bill, summary } = members(&mut archive, intake)?;
    let Some((index, head, format)) = bill else { return Err(nothing(summary)) };
    if format != Format::AlipayTrade {
        return intake.read_text(member(&mut archive, index, &intake.limits)?, &head, sink);
    }
    let encoding = intake.detect_text(&head)?.encoding;
    let details = member(&mut archive, index, &intake.limits)?;
    let (read, sums) = alipay::read_trade(intake.lines(details, encoding), &intake.limits, sink)?;
    if let Some(summary) = summary {
        let summary = member(&mut archive, summary, &intake.limits)?;
        let lines = crate::lines::Lines::new(summary, &intake.limits, &Expect::default(), GBK);
        alipay::verify_summary(lines, &intake.limits, &sums)?;
        sink.proved(Proof::Summary);
    }
    Ok((format, read))
}
