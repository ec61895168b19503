//! Refunds as CSV: order, amount, reason. Reads a whole file or none of it, and names line and column of what is wrong.

use ids::OrderId;
use money::Coins;
use std::collections::{BTreeSet, HashMap};

/// The columns. Read in any order.
pub const COLUMNS: [&str; 3] = ["order_id", "amount_coins", "reason"];

/// The most refunds one file has.
pub const LINES_MAX: usize = 10_000;

/// Faults that one refusal names at most.
pub const FAULTS_MAX: usize = 20;

/// The longest reason of a line, in characters.
const REASON_LEN_MAX: usize = 500;

/// One refund of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// Where it stands: the header is line 1.
    pub line: i32,
    pub order_id: OrderId,
    /// Missing: all that is left.
    pub amount_coins: Option<Coins>,
    pub reason: String,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: i32,
    /// The column; empty where it is the line or the file.
    pub column: &'static str,
    pub reason: String,
}

/// Why a file was refused, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, Fault { line, column, reason }) in self.0.iter().take(FAULTS_MAX).enumerate() {
            let and = if at > 0 { "; " } else { "" };
            match *column {
                "" => write!(f, "{and}line {line}: {reason}")?,
                column => write!(f, "{and}line {line}, {column}: {reason}")?,
            }
        }
        match self.0.len().saturating_sub(FAULTS_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Reads a file. Whether the orders are there is not known here.
///
/// # Errors
/// [`Faults`]: everything that cannot be read.
pub fn read_refunds(text: &str) -> Result<Vec<FileLine>, Faults> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // What spreadsheets put before UTF-8.
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let places = places_of(&mut reader).map_err(|fault| Faults(vec![fault]))?;
    let (mut lines, mut faults) = (Vec::new(), Faults::default());
    let mut seen: HashMap<OrderId, i32> = HashMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let reason = "it has another number of fields, or is no text in UTF-8".to_owned();
                faults.0.push(Fault { line: line_of(error.position()), column: "", reason });
                continue;
            }
        };
        if lines.len() == LINES_MAX {
            let reason = format!("a file has at most {LINES_MAX} refunds");
            faults.0.push(Fault { line: line_of(record.position()), column: "", reason });
            break;
        }
        match line_of_record(&record, places) {
            Ok(line) => match seen.insert(line.order_id, line.line) {
                None => lines.push(line),
                Some(first) => {
                    let reason = format!("the order is in line {first} already");
                    faults.0.push(Fault { line: line.line, column: "order_id", reason });
                }
            },
            Err(more) => faults.0.extend(more),
        }
    }
    if lines.is_empty() && faults.0.is_empty() {
        faults.0.push(Fault { line: 1, column: "", reason: "the file has no refund".to_owned() });
    }
    if faults.0.is_empty() { Ok(lines) } else { Err(faults) }
}

/// Where each of [`COLUMNS`] stands.
fn places_of(reader: &mut csv::Reader<&[u8]>) -> Result<[usize; COLUMNS.len()], Fault> {
    let fault = |column, reason: String| Fault { line: 1, column, reason };
    let header = reader.headers().map_err(|_| fault("", "the header is no text in UTF-8".to_owned()))?;
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(fault("", format!("there is no column {unknown:?}; there are {}", COLUMNS.join(", "))));
    }
    if header.iter().collect::<BTreeSet<&str>>().len() < header.len() {
        return Err(fault("", "a column is there twice".to_owned()));
    }
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name == column);
        *place = found.ok_or_else(|| fault(column, "the column is missing".to_owned()))?;
    }
    Ok(places)
}

fn line_of(position: Option<&csv::Position>) -> i32 {
    position.and_then(|position| i32::try_from(position.line()).ok()).unwrap_or(i32::MAX)
}

fn line_of_record(record: &csv::StringRecord, places: [usize; 3]) -> Result<FileLine, Vec<Fault>> {
    let line = line_of(record.position());
    let [order, amount, reason] = places.map(|place| record.get(place).unwrap_or_default());
    let mut faults = Vec::new();
    let mut fault = |column, reason: String| faults.push(Fault { line, column, reason });
    let order_id: Option<OrderId> =
        order.parse().map_err(|_| fault("order_id", format!("{order:?} is not an id"))).ok();
    let amount_coins = match amount {
        "" => Some(None),
        given => match given.parse::<i64>().ok().and_then(|coins| Coins::try_new(coins).ok()) {
            Some(coins) if !coins.is_zero() => Some(Some(coins)),
            Some(_) | None => {
                fault("amount_coins", format!("{given:?} is not a number of coins above zero"));
                None
            }
        },
    };
    if reason.is_empty() || reason.chars().count() > REASON_LEN_MAX {
        fault("reason", format!("a reason has 1 to {REASON_LEN_MAX} characters"));
    }
    match (order_id, amount_coins) {
        (Some(order_id), Some(amount_coins)) if faults.is_empty() => {
            Ok(FileLine { line, order_id, amount_coins, reason: reason.to_owned() })
        }
        (_, _) => Err(faults),
    }
}
