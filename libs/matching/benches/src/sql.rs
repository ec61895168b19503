//! The obvious SQL: two unlogged tables, COPY, ANALYZE, a full outer join on the key. Through `psql`.

use crate::{Failure, Ground, Taken, read_found};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

const COLUMNS: &str = "key text, account text, amount_minor bigint, currency text, status text, day date";

/// `kind,key` of every pair that differs. A key that comes twice joins twice, so equal copies do not show.
const JOIN: &str = "SELECT CASE WHEN r.key IS NULL THEN 'only-left' WHEN l.key IS NULL THEN 'only-right' \
    WHEN (l.account <> r.account)::int + (l.amount_minor <> r.amount_minor)::int + (l.currency <> r.currency)::int \
      + (l.status <> r.status)::int + (l.day <> r.day)::int > 1 THEN 'several-differ' \
    WHEN l.account <> r.account THEN 'account-differs' WHEN l.amount_minor <> r.amount_minor THEN 'amount-differs' \
    WHEN l.currency <> r.currency THEN 'currency-differs' WHEN l.status <> r.status THEN 'status-differs' \
    ELSE 'day-differs' END, coalesce(l.key, r.key) \
  FROM matching_left l FULL OUTER JOIN matching_right r ON l.key = r.key \
  WHERE l.key IS NULL OR r.key IS NULL OR (l.account, l.amount_minor, l.currency, l.status, l.day) \
    IS DISTINCT FROM (r.account, r.amount_minor, r.currency, r.status, r.day)";

/// One session of psql, asked one thing after another.
struct Session {
    input: std::process::ChildStdin,
    output: BufReader<std::process::ChildStdout>,
    child: std::process::Child,
}

impl Session {
    fn open() -> Result<Session, Failure> {
        let url = std::env::var("LARGESSE_TEST_DATABASE_URL").map_err(|_| "run by `make bench-matching`")?;
        let mut command = Command::new("psql");
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
            &url,
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Session { input, output, child })
    }

    /// Runs commands and gives the seconds they took and the lines they printed.
    fn run(&mut self, commands: &str) -> Result<(f64, Vec<String>), Failure> {
        let started = Instant::now();
        writeln!(self.input, "{commands}\n\\echo -- done")?;
        self.input.flush()?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                return Err(format!("psql ended at {commands}").into());
            }
            if line.trim() == "-- done" {
                return Ok((started.elapsed().as_secs_f64(), lines));
            }
            lines.push(line.trim().to_owned());
        }
    }

    fn close(mut self) -> Result<(), Failure> {
        drop(self.input);
        self.child.wait()?;
        Ok(())
    }
}

/// Loads, joins, and looks for duplicates, each timed.
///
/// # Errors
/// psql's.
pub fn run(ground: &Ground) -> Result<Taken, Failure> {
    let mut session = Session::open()?;
    session.run("SET client_min_messages = warning; SET work_mem = '256MB';")?;
    let mut load_s = 0.0;
    for side in ["left", "right"] {
        let table = format!("matching_{side}");
        session.run(&format!("DROP TABLE IF EXISTS {table}; CREATE UNLOGGED TABLE {table} ({COLUMNS});"))?;
        let file = ground.file(&format!("{side}.csv"));
        load_s += session.run(&format!("\\copy {table} FROM '{}' CSV HEADER", file.display()))?.0;
        load_s += session.run(&format!("ANALYZE {table};"))?.0;
    }
    let (_, plan) = session.run(&format!("EXPLAIN {JOIN};"))?;
    let answer = ground.file("sql.csv");
    let (compare_s, _) = session.run(&format!("\\copy ({JOIN}) TO '{}' CSV", answer.display()))?;
    let (_, pid) = session.run("SELECT pg_backend_pid();")?;
    let pid = pid.first().ok_or("no pid")?;
    let cpu_s = crate::cpu_s(pid)?;
    let mut found = read_found(&answer, false)?;
    let mut remarks = vec![
        format!("the join finds {}", found.len()),
        format!("plan: {}", plan.iter().map(|line| line.trim()).take(3).collect::<Vec<_>>().join(" / ")),
    ];
    let mut duplicates_s = 0.0;
    for side in ["left", "right"] {
        let twice = format!("SELECT key FROM matching_{side} GROUP BY key HAVING count(*) > 1;");
        let (took_s, keys) = session.run(&twice)?;
        duplicates_s += took_s;
        found.extend(keys.into_iter().map(|key| (format!("duplicate-{side}"), key)));
    }
    remarks.push(format!("two GROUP BYs for duplicates took {duplicates_s:.2} s more, not counted"));
    let peak_mib = crate::peak_mib(pid)?;
    session.run("DROP TABLE matching_left, matching_right;")?;
    session.close()?;
    Ok(Taken { load_s, compare_s, cpu_s, peak_mib, found, remarks })
}
