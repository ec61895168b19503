//! The keyed match beside a full outer join of PostgreSQL and pandas' merge: the same two unsorted CSV files, the same
//! truth. `--rows N` rows a side (10,000,000), `--runs N` of ours (3), `--only ours,sql,pandas`.

use matching_benches::plant::{PLANTED, plant};
use matching_benches::{Failure, Found, Ground, Taken, ours, pandas, sql};
use std::path::PathBuf;

/// Of the limit of memory, in MiB.
const PEAK_MIB_MAX: f64 = 1024.0;

struct Wanted {
    ground: Ground,
    runs: usize,
    threads: usize,
    only: Vec<String>,
    child: bool,
}

fn wanted() -> Result<Wanted, Failure> {
    let folder = std::env::var("MATCHING_BENCH_FOLDER").map_or_else(|_| std::env::temp_dir(), PathBuf::from);
    let only = ["ours", "sql", "pandas"].map(str::to_owned).to_vec();
    let ground = Ground { folder, rows: 10_000_000 };
    let mut wanted = Wanted { ground, runs: 3, threads: 2, only, child: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--bench" {
            continue; // Cargo's own.
        }
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--rows" => wanted.ground.rows = value.replace('_', "").parse()?,
            "--runs" => wanted.runs = value.parse()?,
            "--threads" => wanted.threads = value.parse()?,
            "--only" => wanted.only = value.split(',').map(str::to_owned).collect(),
            "--ours-in" => {
                wanted.ground.folder = PathBuf::from(value);
                wanted.child = true;
            }
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    Ok(wanted)
}

fn main() -> Result<(), Failure> {
    let Wanted { ground, runs, threads, only, child } = wanted()?;
    if child {
        return ours::child(&ground, threads);
    }
    std::fs::create_dir_all(&ground.folder)?;
    let ground = Ground { folder: ground.folder.canonicalize()?, ..ground };
    println!("planting {} differences in {} rows a side", PLANTED, ground.rows);
    let truth = plant(&ground)?;
    println!(
        "\n{:<16} {:>8} {:>10} {:>8} {:>8} {:>10}  answer",
        "", "load s", "compare s", "total s", "cpu s", "peak MiB"
    );
    let wants = |name: &str| only.iter().any(|only| only == name);
    let mut slowest: Option<Taken> = None;
    for run in 0..if wants("ours") { runs } else { 0 } {
        let taken = ours::run(&ground, threads)?;
        tell(&format!("ours, {threads} threads"), &taken, &truth);
        assert_eq!(taken.found, truth, "all planted differences and no other");
        if ground.rows <= 10_000_000 {
            assert!(taken.peak_mib <= PEAK_MIB_MAX, "at most 1 GiB");
        }
        let bytes = std::fs::read(ground.file("ours.csv"))?;
        let before = ground.file("ours-before.csv");
        assert!(run == 0 || std::fs::read(&before)? == bytes, "repeated runs are the same bytes");
        std::fs::write(&before, bytes)?;
        // The others run once, so they are held against our slowest run: that flatters nobody but them.
        if slowest.as_ref().is_none_or(|slowest| total(slowest) < total(&taken)) {
            slowest = Some(taken);
        }
    }
    let ways: [(&str, fn(&Ground) -> Result<Taken, Failure>); 2] =
        [("sql", sql::run), ("pandas", pandas::run)];
    for (name, way) in ways.into_iter().filter(|(name, _)| wants(name)) {
        let taken = way(&ground)?;
        tell(name, &taken, &truth);
        if let Some(ours) = &slowest {
            println!(
                "  slowest of ours beside it: {:.1} times end to end, {:.1} times after loading; {:.1} times with our \
                 loading and without its own; {:.1} times the processor time",
                total(&taken) / total(ours),
                taken.compare_s / ours.compare_s,
                taken.compare_s / total(ours),
                taken.cpu_s / ours.cpu_s
            );
        }
    }
    for name in ["left.csv", "right.csv", "ours.csv", "ours-before.csv", "sql.csv", "pandas.csv"] {
        std::fs::remove_file(ground.file(name)).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

fn total(taken: &Taken) -> f64 {
    taken.load_s + taken.compare_s
}

fn tell(name: &str, taken: &Taken, truth: &Found) {
    let missed = truth.difference(&taken.found).count();
    let wrong = taken.found.difference(truth).count();
    let Taken { load_s, compare_s, cpu_s, peak_mib, remarks, .. } = taken;
    let answer = format!("{} found, {missed} missed, {wrong} false", taken.found.len());
    let total_s = total(taken);
    println!(
        "{name:<16} {load_s:>8.2} {compare_s:>10.2} {total_s:>8.2} {cpu_s:>8.2} {peak_mib:>10.0}  {answer}"
    );
    for remark in remarks {
        println!("  {remark}");
    }
}
