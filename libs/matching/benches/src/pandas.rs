//! pandas' outer merge with its indicator, in a Python of its own.

use crate::{Failure, Ground, Taken, number_of, read_found};
use std::process::{Command, Stdio};

/// Run by `python3 -c`. Duplicates are looked for apart, as in SQL.
const PROGRAM: &str = r#"
import resource, sys, time
import pandas as pd
folder = sys.argv[1]
names = ["account", "amount_minor", "currency", "status", "day"]
start = time.perf_counter()
left = pd.read_csv(folder + "/left.csv")
right = pd.read_csv(folder + "/right.csv")
loaded = time.perf_counter()
both = left.merge(right, on="key", how="outer", suffixes=("_l", "_r"), indicator=True)
merged = time.perf_counter()
pairs = both["_merge"] == "both"
differs = {name: pairs & (both[name + "_l"] != both[name + "_r"]) for name in names}
count = sum(column.astype("int8") for column in differs.values())
kind = pd.Series("", index=both.index, dtype="object")
for name, label in zip(names, ["account", "amount", "currency", "status", "day"]):
    kind[differs[name]] = label + "-differs"
kind[count > 1] = "several-differ"
kind[both["_merge"] == "left_only"] = "only-left"
kind[both["_merge"] == "right_only"] = "only-right"
listed = pd.DataFrame({"kind": kind, "key": both["key"]})[kind != ""]
listed.to_csv(folder + "/pandas.csv", index=False)
done = time.perf_counter()
used = resource.getrusage(resource.RUSAGE_SELF)
twice = [("duplicate-left", left), ("duplicate-right", right)]
with open(folder + "/pandas.csv", "a") as answer:
    for label, side in twice:
        for key in side.loc[side["key"].duplicated(), "key"]:
            answer.write(f"{label},{key}\n")
print("load_s", loaded - start)
print("compare_s", done - loaded)
print("merge_s", merged - loaded)
print("listed", len(listed))
print("duplicates_s", time.perf_counter() - done)
print("cpu_s", used.ru_utime + used.ru_stime)
print("peak_mib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print("version", pd.__version__)
"#;

/// Merges with the Python named by `MATCHING_BENCH_PYTHON`.
///
/// # Errors
/// There is none, or it lacks pandas or memory.
pub fn run(ground: &Ground) -> Result<Taken, Failure> {
    let python = std::env::var("MATCHING_BENCH_PYTHON").map_err(|_| "run by `make bench-matching`")?;
    let output =
        Command::new(python).args(["-c", PROGRAM]).arg(&ground.folder).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("pandas ended with {}: memory?", output.status).into());
    }
    let report = String::from_utf8(output.stdout)?;
    let version = report.lines().find_map(|line| line.strip_prefix("version ")).unwrap_or("?").to_owned();
    Ok(Taken {
        load_s: number_of(&report, "load_s")?,
        compare_s: number_of(&report, "compare_s")?,
        cpu_s: number_of(&report, "cpu_s")?,
        peak_mib: number_of(&report, "peak_mib")?,
        found: read_found(&ground.file("pandas.csv"), true)?,
        remarks: vec![
            format!("pandas {version}; merge alone {:.2} s", number_of(&report, "merge_s")?),
            format!("the merge finds {}", number_of(&report, "listed")?),
            format!("duplicated() took {:.2} s more, not counted", number_of(&report, "duplicates_s")?),
        ],
    })
}
