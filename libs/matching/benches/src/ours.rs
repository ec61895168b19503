//! The library, in a process of its own so that its memory can be told.

use crate::{Failure, Ground, Taken, cpu_s, number_of, peak_mib, read_found};
use matching::csv_rows::{Columns, CsvRows, write_differences};
use matching::keyed::{Progress, Settings, compare};
use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

const ANSWER: &str = "ours.csv";

/// Starts this program again as the child and reads what it took.
///
/// # Errors
/// The child's.
pub fn run(ground: &Ground, threads: usize) -> Result<Taken, Failure> {
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("--ours-in").arg(&ground.folder).arg("--threads").arg(threads.to_string());
    let output = child.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the library's process failed".into());
    }
    let report = String::from_utf8(output.stdout)?;
    Ok(Taken {
        load_s: number_of(&report, "load_s")?,
        compare_s: number_of(&report, "compare_s")?,
        cpu_s: number_of(&report, "cpu_s")?,
        peak_mib: number_of(&report, "peak_mib")?,
        found: read_found(&ground.file(ANSWER), true)?,
        remarks: vec![format!("spilled {:.0} MiB", number_of(&report, "spilled_mib")?)],
    })
}

/// The child: from two CSV files to the list of differences.
///
/// # Errors
/// Whatever the library says.
pub fn child(ground: &Ground, threads: usize) -> Result<(), Failure> {
    let started = Instant::now();
    let open = |name| -> Result<_, Failure> {
        Ok(CsvRows::try_new(File::open(ground.file(name))?, &Columns::default())?)
    };
    let (left, right) = (open("left.csv")?, open("right.csv")?);
    let loaded = Mutex::new(started);
    let watch = |progress: Progress| {
        if progress.partitions_merged == 0
            && let Ok(mut loaded) = loaded.lock()
        {
            *loaded = Instant::now();
        }
        ControlFlow::Continue(())
    };
    let settings = Settings { threads, ..Settings::new(&ground.folder) };
    let mut found = Vec::new();
    let summary = compare(left, right, &settings, &watch, &mut |difference| found.push(difference))?;
    let mut answer = BufWriter::new(File::create(ground.file(ANSWER))?);
    write_differences(&found, &mut answer)?;
    std::io::Write::flush(&mut answer)?;
    let done = Instant::now();
    let loaded = *loaded.lock().map_err(|_| "the watcher failed")?;
    println!("load_s {:.3}", (loaded - started).as_secs_f64());
    println!("compare_s {:.3}", (done - loaded).as_secs_f64());
    println!("cpu_s {:.2}", cpu_s("self")?);
    println!("peak_mib {:.1}", peak_mib("self")?);
    println!("spilled_mib {}", summary.spilled_bytes >> 20);
    Ok(())
}
