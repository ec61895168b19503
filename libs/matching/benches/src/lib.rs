//! The parts of the bench: two planted files, and three ways to compare them. Owns no judgement; `benches/keyed.rs` has it.

pub mod ours;
pub mod pandas;
pub mod plant;
pub mod sql;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;

/// Whatever ends a bench.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Differences as (kind, key).
pub type Found = BTreeSet<(String, String)>;

/// Where the files are, and how many rows a side has.
#[derive(Clone, Debug)]
pub struct Ground {
    pub folder: PathBuf,
    pub rows: u64,
}

impl Ground {
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// What one way took: seconds of loading, seconds from there to the list, peak memory in MiB, and the list.
#[derive(Debug)]
pub struct Taken {
    pub load_s: f64,
    pub compare_s: f64,
    /// Of both, over all threads: what other people's work on the machine does not stretch.
    pub cpu_s: f64,
    pub peak_mib: f64,
    pub found: Found,
    pub remarks: Vec<String>,
}

/// Reads `kind,key,…` lines.
///
/// # Errors
/// The file cannot be read.
pub fn read_found(path: &std::path::Path, header: bool) -> Result<Found, Failure> {
    let text = std::fs::read_to_string(path)?;
    let pair = |line: &str| {
        let mut fields = line.split(',');
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    Ok(text.lines().skip(usize::from(header)).filter_map(pair).collect())
}

/// A line `name value` of a report that a child printed.
///
/// # Errors
/// There is no such line.
pub fn number_of(report: &str, name: &str) -> Result<f64, Failure> {
    let value = report.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.ok_or_else(|| format!("no {name} in {report:?}"))?.trim().parse()?)
}

/// The processor time a process has had, in seconds.
///
/// # Errors
/// The process is gone, or this is not Linux.
pub fn cpu_s(process: &str) -> Result<f64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // After the name, which may hold anything but ends with the last bracket: state is field 0, utime 11, stime 12.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    let ticks: Result<Vec<f64>, _> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect();
    // Linux tells user space 100 ticks a second.
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}

/// The most memory a process has had, in MiB, as the kernel counts it.
///
/// # Errors
/// The process is gone, or this is not Linux.
pub fn peak_mib(process: &str) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line.ok_or("no VmHWM")?.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
