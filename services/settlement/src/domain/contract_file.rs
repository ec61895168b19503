//! Contracts as CSV: the same columns in and out, so that what is exported can be imported.
//!
//! Reads a whole file or none of it, and names line and field of what is wrong.

use crate::domain::contract::{Promo, Terms, TermsError};
use chrono::NaiveDate;
use contracts::sheet::{Fault, Faults, Layout};
use ids::StreamerId;
use money::Ppm;
use std::str::FromStr;

/// The columns, in the order they are written. Read in any order.
pub const COLUMNS: [&str; 8] = [
    "streamer_id",
    "valid_from",
    "agency_id",
    "streamer_ppm",
    "agency_ppm",
    "platform_ppm",
    "tax_ppm",
    "promo",
];

/// One contract of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractLine {
    /// Where it stands: the header is line 1.
    pub line: i32,
    pub streamer_id: StreamerId,
    pub valid_from: NaiveDate,
    pub terms: Terms,
}

/// Reads a file. Lines that are right in themselves may still contradict each other or what is in force.
///
/// # Errors
/// [`Faults`]: every line that cannot be read, or cannot be agreed to.
pub fn read_contracts(text: &str, lines_max: usize) -> Result<Vec<ContractLine>, Faults> {
    Layout { columns: COLUMNS, lines_max, line_is: "contract" }.read(text, read_line)
}

fn read_line(line: i32, texts: [&str; COLUMNS.len()]) -> Result<ContractLine, Vec<Fault>> {
    let mut faults = Vec::new();
    let text = |column: usize| texts.get(column).copied().unwrap_or_default();
    let mut fault = |at: usize, reason: String| {
        faults.push(Fault { line, column: COLUMNS.get(at).copied().unwrap_or_default(), reason });
    };
    let streamer_id = parse::<StreamerId>(text(0), "an id").map_err(|reason| fault(0, reason)).ok();
    let valid_from = parse(text(1), "a day like 2026-01-31").map_err(|reason| fault(1, reason)).ok();
    let agency_id = match text(2) {
        "" => Some(None),
        given => parse(given, "an id").map(Some).map_err(|reason| fault(2, reason)).ok(),
    };
    let mut share = |column: usize| {
        let number = parse::<u32>(text(column), "a number of parts per million")
            .and_then(|ppm| Ppm::try_new(ppm).map_err(|error| error.to_string()));
        number.map_err(|reason| fault(column, reason)).ok()
    };
    let shares = [share(3), share(4), share(5), share(6)];
    let promo = match text(7) {
        "shared" => Some(Promo::Shared),
        "not_shared" => Some(Promo::NotShared),
        other => {
            fault(7, format!("{other:?} is neither shared nor not_shared"));
            None
        }
    };
    let (Some(streamer_id), Some(valid_from), Some(agency_id), Some(promo)) =
        (streamer_id, valid_from, agency_id, promo)
    else {
        return Err(faults);
    };
    let [Some(streamer_ppm), Some(agency_ppm), Some(platform_ppm), Some(tax_ppm)] = shares else {
        return Err(faults);
    };
    let terms = Terms { agency_id, streamer_ppm, agency_ppm, platform_ppm, tax_ppm, promo };
    match terms.check() {
        Ok(()) => Ok(ContractLine { line, streamer_id, valid_from, terms }),
        Err(error) => Err(vec![Fault { line, column: column_of(error), reason: error.to_string() }]),
    }
}

fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not {what}"))
}

const fn column_of(error: TermsError) -> &'static str {
    match error {
        TermsError::SharesNotWhole => "streamer_ppm",
        TermsError::AgencyMissing => "agency_id",
        TermsError::TaxNotBorne { .. } => "platform_ppm",
    }
}

/// Writes a file, header first, in the order given.
pub fn write_contracts<'a>(contracts: impl Iterator<Item = (StreamerId, NaiveDate, &'a Terms)>) -> String {
    let mut text = format!("{}\n", COLUMNS.join(","));
    for (streamer_id, valid_from, terms) in contracts {
        let agency = terms.agency_id.map(|agency| agency.to_string()).unwrap_or_default();
        let promo = match terms.promo {
            Promo::Shared => "shared",
            Promo::NotShared => "not_shared",
        };
        // Ids, days, numbers and two words: nothing that would need quotes.
        text.push_str(&format!(
            "{streamer_id},{valid_from},{agency},{},{},{},{},{promo}\n",
            terms.streamer_ppm.get(),
            terms.agency_ppm.get(),
            terms.platform_ppm.get(),
            terms.tax_ppm.get(),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::tests::terms;
    use proptest::prelude::*;

    fn file(line: &str) -> String {
        format!("{}\n{line}\n", COLUMNS.join(","))
    }

    const ANN: &str = "01900000-0000-7000-8000-000000000001";

    #[test]
    fn every_fault_is_named_by_line_and_field() {
        let good = format!("{ANN},2026-01-31,,500000,0,500000,60000,shared");
        let bad =
            format!("x,yesterday,y,1.5,-1,1000001,60000,maybe\n{ANN},2026-01-31,,500000,1,500000,0,shared");
        let faults = read_contracts(&file(&format!("{good}\n{bad}")), 10).expect_err("two lines are wrong");
        let places: Vec<_> = faults.0.iter().map(|fault| (fault.line, fault.column)).collect();
        let wrong =
            ["streamer_id", "valid_from", "agency_id", "streamer_ppm", "agency_ppm", "platform_ppm", "promo"];
        let mut expected: Vec<_> = wrong.map(|field| (3, field)).to_vec();
        expected.push((4, "streamer_ppm"));
        assert_eq!(places, expected);
        assert!(faults.to_string().contains("line 3, valid_from: \"yesterday\" is not a day"), "{faults}");
    }

    #[test]
    fn a_file_that_is_too_long_or_empty_or_has_other_columns_is_refused() {
        let good = format!("{ANN},2026-01-31,,500000,0,500000,60000,shared");
        let fault = |text: &str| read_contracts(text, 1).expect_err("refused").to_string();
        assert_eq!(fault(&file(&format!("{good}\n{good}"))), "line 3: a file has at most 1 contracts");
        assert_eq!(fault(&format!("{}\n", COLUMNS.join(","))), "line 1: the file has no contract");
        assert!(fault(&file(&good).replace("promo", "premium")).contains("there is no column \"premium\""));
        assert!(fault(&file(&good).replace(",promo", "")).contains("line 1, promo: the column is missing"));
        assert!(fault(&file("1,2")).contains("line 2: it has another number of fields"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            contracts in prop::collection::vec((0_u128.., 0_i32..40_000, 0_u32..=900_000, 0_u32..=40_000, any::<bool>()), 1..30)
        ) {
            let lines: Vec<ContractLine> = contracts.into_iter().enumerate().map(|(at, (id, day, streamer, agency, shared))| {
                let promo = if shared { Promo::Shared } else { Promo::NotShared };
                ContractLine {
                    line: i32::try_from(at).expect("small") + 2,
                    streamer_id: StreamerId::from_uuid(ids::Uuid::from_u128(id)),
                    valid_from: NaiveDate::from_num_days_from_ce_opt(730_000 + day).expect("a day"),
                    terms: terms(streamer, agency, 60_000, promo),
                }
            }).collect();
            let text = write_contracts(lines.iter().map(|l| (l.streamer_id, l.valid_from, &l.terms)));
            prop_assert_eq!(read_contracts(&text, 1_000).expect("it was written"), lines);
        }
    }
}
