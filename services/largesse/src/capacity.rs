//! `largesse capacity`: nodes for a forecast peak and quotas to set, from what a load test found.

use crate::cli::CapacityArgs;
use crate::failure::Failure;
use guard::capacity::{CapacityPlan, Forecast, LoadTest, plan};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::ExitCode;

/// Prints the plan.
///
/// # Errors
/// [`Failure`] naming the file that cannot be read or what in it gives no plan.
pub fn run(args: CapacityArgs) -> Result<ExitCode, Failure> {
    let (test, forecast): (LoadTest, Forecast) = (read(&args.load_test)?, read(&args.forecast)?);
    let plan = plan(&test, &forecast).map_err(|error| Failure::Config(error.to_string()))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&plan).unwrap_or_default()); // Plain values always print.
    } else {
        print!("{}", text_of(&plan));
    }
    Ok(ExitCode::SUCCESS)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let file = |source| Failure::File { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(file)?;
    serde_json::from_str(&text).map_err(|error| Failure::Config(format!("{}: {error}", path.display())))
}

fn text_of(plan: &CapacityPlan) -> String {
    let mut text = format!(
        "one node serves     {}/s\nnodes               {}\nthrottled above     {}/s\nhttp.in_flight_max  {}\n\n\
         quotas on every node\n",
        plan.node_per_s, plan.nodes, plan.throttled_above_per_s, plan.in_flight_max
    );
    for quota in &plan.quotas {
        let whose = quota.key.as_deref().map_or_else(|| format!("every {}", quota.scope), str::to_owned);
        text += &format!("  {:<8} {whose:<16} {}/s, {} at once\n", quota.scope, quota.per_s, quota.burst);
    }
    text
}
