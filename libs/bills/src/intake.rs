//! The way in: finds out what a file is, unpacks it, and reads it by its format.

use crate::bill::Sink;
use crate::detect::{Detected, HEAD_BYTES, detect};
use crate::error::{BillError, Place};
use crate::lines::Lines;
use crate::source::{Digested, Unpacked, from_io};
use crate::{Bill, ColumnProfile, Format, Limits, Refusal, Visit};
use crate::{alipay, archive, camt, mt940, profile, stripe, wechat, workbook};
use encoding_rs::Encoding;
use flate2::read::MultiGzDecoder;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// What was told about a file beforehand, by the channel or by who hands it in. What is set is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// SHA-1 of the unpacked bytes, as WeChat Pay states it beside its download address.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256 of the unpacked bytes.
    pub sha256: Option<[u8; 32]>,
    /// Rows.
    pub rows: Option<u64>,
}

/// Reads bills. Knows nothing but the file: no clock, no network, no earlier files.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Reads tables (CSV, XLSX) by this profile. Without one, only files that name themselves are read.
    pub profile: Option<Arc<ColumnProfile>>,
    /// The key of Stripe's payment metadata that holds our order's id (`payment_metadata[order_id]`).
    pub stripe_order_key: String,
    pub limits: Limits,
    pub expect: Expect,
}

impl Default for Intake {
    fn default() -> Intake {
        Intake {
            profile: None,
            stripe_order_key: "order_id".to_owned(),
            limits: Limits::default(),
            expect: Expect::default(),
        }
    }
}

/// How a file is packed.
enum Packing {
    Plain,
    Gzip,
    Archive,
}

fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Packing::Archive,
        _ => Packing::Plain,
    }
}

impl Intake {
    /// Finds out what a file is, from its beginning, without reading its rows.
    ///
    /// # Errors
    /// As [`Intake::read`], as far as the beginning tells.
    pub fn detect<F: Read + Seek>(&self, mut file: F) -> Result<Format, BillError> {
        let head = self.head(&mut file)?;
        match packing(&head) {
            Packing::Archive => archive::detect(file, self),
            Packing::Gzip => {
                let head = read_head(MultiGzDecoder::new(file.take(packed_head())))?;
                self.detect_text(&head).map(|detected| detected.format)
            }
            Packing::Plain => self.detect_text(&head).map(|detected| detected.format),
        }
    }

    /// Reads a file: lends each row to `visit`, in the file's order, then verifies everything the file states
    /// about itself and answers what it was. Memory is bounded by [`Limits`], not by the file, except for XML
    /// and workbooks' texts.
    ///
    /// **Rows are lent before the totals are verified**: whoever stores them does so in one database
    /// transaction, and commits only after `Ok`. Then a broken file changes nothing.
    ///
    /// # Errors
    /// [`BillError`], with the place and a stable code.
    pub fn read<F: Read + Seek>(&self, mut file: F, visit: &mut Visit<'_>) -> Result<Bill, BillError> {
        if let Some(profile) = &self.profile {
            profile.check()?;
        }
        let head = self.head(&mut file)?;
        let mut sink = Sink::new(visit, self.limits);
        let (format, read) = match packing(&head) {
            Packing::Archive if archive::is_workbook(&mut file, &self.limits)? => {
                let profile = self.profile.as_ref().ok_or(Refusal::WorkbookWithoutProfile);
                // A personal export is refused as what it is, with or without a profile.
                workbook::refuse_personal(&mut file, &self.limits)?;
                let profile = profile?;
                (Format::Profile(profile.clone()), workbook::read(file, self, profile, &mut sink)?)
            }
            Packing::Archive => archive::read(file, self, &mut sink)?,
            Packing::Gzip => {
                let packed = file.seek(SeekFrom::End(0)).map_err(BillError::Io)?;
                file.rewind().map_err(BillError::Io)?;
                let head = read_head(MultiGzDecoder::new((&mut file).take(packed_head())))?;
                file.rewind().map_err(BillError::Io)?;
                let unpacked = Unpacked::new(MultiGzDecoder::new(file), packed, &self.limits);
                self.read_text(unpacked, &head, &mut sink)?
            }
            Packing::Plain => self.read_text(file, &head, &mut sink)?,
        };
        sink.finish(format, read, &self.expect)
    }

    fn head<F: Read + Seek>(&self, file: &mut F) -> Result<Vec<u8>, BillError> {
        let head = read_head(&mut *file)?;
        file.rewind().map_err(BillError::Io)?;
        Ok(head)
    }

    /// What an unpacked file is, the profile considered.
    pub(crate) fn detect_text(&self, head: &[u8]) -> Result<Detected, BillError> {
        let detected = detect(head, &self.limits);
        let Some(profile) = &self.profile else { return Ok(detected?) };
        match detected {
            // A profile reads what nothing else does; it is no way around what is refused by name.
            Err(refusal @ (Refusal::WechatPersonal | Refusal::AlipayPersonal | Refusal::Iso20022(_))) => {
                Err(refusal.into())
            }
            _ => {
                let format = Format::Profile(profile.clone());
                Ok(Detected { format, encoding: profile.encoding.encoding() })
            }
        }
    }

    /// Reads an unpacked file.
    pub(crate) fn read_text<R: Read>(
        &self,
        bytes: R,
        head: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(Format, Digested), BillError> {
        let Detected { format, encoding } = self.detect_text(head)?;
        let read = match &format {
            Format::WechatTrade => wechat::trade::read(self.lines(bytes, encoding), &self.limits, sink),
            Format::WechatFund => wechat::fund::read(self.lines(bytes, encoding), &self.limits, sink),
            Format::AlipayTrade => {
                alipay::read_trade(self.lines(bytes, encoding), &self.limits, sink).map(|(read, _)| read)
            }
            Format::AlipayFund => alipay::read_fund(self.lines(bytes, encoding), &self.limits, sink),
            Format::StripeBalance => stripe::read_balance(bytes, self, sink),
            Format::StripePayouts => stripe::read_payouts(bytes, self, sink),
            Format::Camt053 => camt::read(bytes, self, sink),
            Format::Mt940 => mt940::read(self.lines(bytes, encoding), sink),
            Format::Profile(profile) => profile::read_csv(bytes, self, profile, sink),
        }?;
        Ok((format, read))
    }

    pub(crate) fn lines<R: Read>(&self, bytes: R, encoding: &'static Encoding) -> Lines<R> {
        Lines::new(bytes, &self.limits, &self.expect, encoding)
    }
}

fn packed_head() -> u64 {
    u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX)
}

/// The first bytes; fewer if there are no more. A compressed beginning may end within a block.
pub(crate) fn read_head<R: Read>(mut bytes: R) -> Result<Vec<u8>, BillError> {
    let mut head = vec![0; HEAD_BYTES];
    let mut len = 0;
    while len < head.len() {
        match bytes.read(&mut head[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && len > 0 => break,
            Err(error) => return Err(from_io(error, Place::line(1))),
        }
    }
    head.truncate(len);
    Ok(head)
}
