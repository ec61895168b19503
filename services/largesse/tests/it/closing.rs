//! Invariant under test: the books of an evening are accepted by the programs that accountants trust, which agree on
//! every balance; and two people close a day from the command line.

use crate::place::{COMMAND_LIMIT, Place, free_address, short_evening, text, wait_until_ready};
use chaos::{Ended, Victim};
use chrono::{Days, NaiveDate, Utc};
use contracts::log::AccountingZone;
use exports::{Account, Growth, ledger_name};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Gifts of the evening.
const GIFTS: usize = 120;

/// One process with everything, and the commands of finance.
struct House {
    place: Place,
    address: SocketAddr,
    database: testkit::TestDatabase,
    _process: Victim,
}

impl House {
    async fn start(env: &[(&str, &str)]) -> House {
        let place = Place::new();
        let database = testkit::postgres().await.fresh_database().await;
        let (address, folder) = (free_address(), place.data_dir());
        let listen = address.to_string();
        let words = ["up", "--data-dir", text(&folder), "--listen", &listen, "--database", database.url()];
        let env = [&[("LARGESSE_DATABASE__CONNECTIONS_MAX", "8")][..], env].concat();
        let process = place.start(&words, &env);
        wait_until_ready(address).await;
        House { place, address, database, _process: process }
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let (folder, url) = (self.place.data_dir(), format!("http://{}", self.address));
        self.place.run(&[words, &["--url", &url, "--data-dir", text(&folder)]].concat(), &[]).await
    }

    async fn done(&self, words: &[&str]) -> String {
        let ended = self.run(words).await;
        assert!(ended.status.success(), "{words:?}: {}\n{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    async fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[words, &["--json"]].concat()).await).expect("JSON")
    }

    /// Sends an evening and waits until its books close.
    async fn evening(&self) {
        let file = self.place.file("evening.jsonl");
        short_evening(&file, GIFTS);
        self.done(&["replay", text(&file)]).await;
        self.until_books_close().await;
    }

    async fn until_books_close(&self) {
        let began = Instant::now();
        loop {
            let ended = self.place.run(&["check", "--database", self.database.url()], &[]).await;
            if ended.status.success() {
                return;
            }
            assert!(began.elapsed() < COMMAND_LIMIT, "the books do not close: {}", ended.stdout);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn export(&self, book: &str, days: &[&str], format: &str) -> PathBuf {
        let file = self.place.file(&format!("{book}.{format}"));
        let words = ["journal", "export", "--book", book, "--format", format, "--out", text(&file)];
        self.done(&[&words[..], days].concat()).await;
        file
    }
}

fn today() -> NaiveDate {
    AccountingZone::default().day_of(Utc::now())
}

fn before(days: u64) -> String {
    today().checked_sub_days(Days::new(days)).expect("a day").to_string()
}

/// A program, found where `scripts/setup.sh` puts it.
fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/beancount/bin");
    let named = std::env::var_os("LARGESSE_TEST_BEANCOUNT").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.into_iter().chain([own]).chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run scripts/setup.sh, which installs it"))
}

fn output(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C.UTF-8").output().expect("the program starts");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}{why}");
    said.into_owned()
}

/// Decimal text as millionths of a fen.
fn micros(text: &str) -> i64 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{whole}{part:0<8}").parse::<i64>().expect("at most eight places")
}

/// Balances by the program's own name of each account, without those that hold nothing.
fn sums<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, i64> {
    let read = lines.map(|(account, number)| (account.to_owned(), micros(number)));
    read.filter(|(_, sum)| *sum != 0).collect()
}

fn by_hledger(file: &Path) -> BTreeMap<String, i64> {
    output(Command::new(program("hledger")).arg("-f").arg(file).args(["check", "--strict"]));
    let words = ["balance", "--flat", "-N", "-E", "--layout=bare", "-O", "csv"];
    let said = output(Command::new(program("hledger")).arg("-f").arg(file).args(words));
    let mut reader = csv::Reader::from_reader(said.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    sums(rows.iter().map(|row| (&row[0], &row[2])))
}

fn by_beancount(file: &Path) -> BTreeMap<String, i64> {
    output(Command::new(program("bean-check")).arg(file));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libs/exports/tests/it/balances.py");
    // The virtual environment's own Python, which knows beancount.
    let python = program("bean-check").with_file_name("python");
    let said = output(Command::new(python).arg(script).arg(file));
    let line = |line: &'_ str| -> (String, String) {
        let parts: Vec<&str> = line.split(',').collect();
        (parts[0].to_owned(), parts[2].to_owned())
    };
    let lines: Vec<(String, String)> = said.lines().map(line).collect();
    sums(lines.iter().map(|(account, number)| (account.as_str(), number.as_str())))
}

/// What the running process says, by the name that plain-text books use, debits less credits.
async fn by_trial_balance(house: &House) -> BTreeMap<String, i64> {
    let folder = house.place.data_dir();
    let words = ["token", "--role", "auditor", "--sub", "aud", "--data-dir", text(&folder)];
    let token = house.place.run(&words, &[]).await.stdout;
    let asked = reqwest::Client::new().get(format!("http://{}/v1/trial-balance", house.address));
    let said: Value =
        asked.bearer_auth(token.trim()).send().await.expect("answers").json().await.expect("JSON");
    let mut balances = BTreeMap::new();
    for line in said["accounts"].as_array().expect("accounts") {
        let word = |field: &str| line[field].as_str().expect("text").to_owned();
        let grows = if line["side"] == "debit" { Growth::Debit } else { Growth::Credit };
        let account = Account { code: word("account"), name: word("name"), grows };
        let micro = |field: &str| line[field].as_i64().expect("micros");
        balances.insert(ledger_name(&account), micro("debit_micro") - micro("credit_micro"));
    }
    balances.retain(|_, balance| *balance != 0);
    balances
}

#[tokio::test]
async fn hledger_and_beancount_accept_the_books_of_an_evening_and_agree_on_every_balance() {
    let house = House::start(&[]).await;
    house.evening().await;
    let wanted = by_trial_balance(&house).await;
    assert!(wanted.len() > 5, "an evening moves more accounts than {wanted:?}");
    let (from, to) = (before(1), today().to_string());
    let days = ["--from", from.as_str(), "--to", to.as_str()];
    assert_eq!(by_hledger(&house.export("journal", &days, "hledger").await), wanted);
    assert_eq!(by_beancount(&house.export("journal", &days, "beancount").await), wanted);
    let end = ["--to", to.as_str()];
    assert_eq!(by_hledger(&house.export("trial-balance", &end, "hledger").await), wanted);
    assert_eq!(by_beancount(&house.export("trial-balance", &end, "beancount").await), wanted);
    let workbook = std::fs::read(house.export("journal", &days, "xlsx").await).expect("a file");
    assert_eq!(&workbook[..2], b"PK");

    // From the journal down to a gift.
    let page = house.json(&[&["journal", "list", "--account", "2206"][..], &days[..]].concat()).await;
    let spend = page["vouchers"].as_array().expect("a list").iter().find(|it| it["rule"] == "wallet.spend");
    let name = spend.expect("gifts were sent")["voucher_id"].as_str().expect("a name").to_owned();
    let detail = house.json(&["journal", "show", &name]).await;
    let order = detail["rows"][0]["order_id"].as_str().expect("an order").to_owned();
    let known: i64 =
        sqlx::query_scalar("SELECT count(*) FROM gift.orders WHERE order_id = $1::text::uuid AND kind < 3")
            .bind(&order)
            .fetch_one(&house.database.pool().await)
            .await
            .expect("reads");
    assert_eq!(known, 1, "the voucher names an order that gift knows");
    let shown = house.done(&["journal", "show", &name]).await;
    assert!(shown.contains(&order) && shown.contains("2205.01"), "{shown}");
    let rolled = house.json(&["journal", "roll-forward", days[0], days[1], days[2], days[3]]).await;
    let liability: i64 = ["Liabilities:A2205-01", "Liabilities:A2205-02"]
        .iter()
        .map(|account| -wanted.get(*account).copied().unwrap_or_default())
        .sum();
    assert_eq!(rolled["days"][1]["closing_micro"], liability);
}

#[tokio::test]
async fn two_people_close_a_day_from_the_command_line_and_one_cannot() {
    // Nobody but this test runs the day, whatever the time is.
    let env = [("LARGESSE_CLEARING__EXPECTED_BILLS", "[]"), ("LARGESSE_RECON__DAILY_RUN_AT", "")];
    let house = House::start(&env).await;
    house.evening().await;
    let day = before(1);
    let early = house.run(&["period", "close", &day, "--sub", "ann"]).await;
    assert!(early.stderr.contains("[period-state]"), "{}", early.stderr);
    house.done(&["period", "soft-lock", &day, "--sub", "ann"]).await;
    let list = house.run(&["period", "checklist", &day]).await;
    assert!(
        list.stdout.lines().any(|line| line.starts_with("BLOCKS") && line.contains("daily-runs-are-done"))
    );
    house.done(&["recon", "run", "--day", &day]).await;
    let began = Instant::now();
    loop {
        let list = house.run(&["period", "checklist", &day]).await;
        if list.status.success() {
            assert!(list.stdout.contains("The period may be closed."), "{}", list.stdout);
            break;
        }
        assert!(began.elapsed() < COMMAND_LIMIT, "{}\n{}", list.stdout, list.stderr);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let waiting = house.json(&["period", "close", &day, "--sub", "ann"]).await;
    assert_eq!(waiting["state"], "waiting");
    let own = house.run(&["period", "close", &day, "--sub", "ann"]).await;
    assert!(own.stderr.contains("[step-proposed-already]"), "{}", own.stderr);
    let done = house.json(&["period", "close", &day, "--sub", "bob"]).await;
    assert_eq!((&done["state"], &done["request_id"]), (&"done".into(), &waiting["request_id"]));
    let table = house.done(&["period", "list"]).await;
    assert!(table.lines().any(|line| line.starts_with(&day) && line.contains("closed")), "{table}");
    let reopen = house.run(&["period", "reopen", &day, "--sub", "ann"]).await;
    assert!(reopen.stderr.contains("[reason-missing]"), "{}", reopen.stderr);
    house.done(&["period", "reopen", &day, "--reason", "a bill came again", "--sub", "ann"]).await;
    let done = house.json(&["period", "reopen", &day, "--sub", "bob"]).await;
    assert_eq!(done["state"], "done");
    house.until_books_close().await;
}

#[tokio::test]
async fn a_day_whose_channel_files_nobody_has_seen_is_not_closed() {
    let house = House::start(&[]).await;
    let day = before(1);
    house.done(&["period", "soft-lock", &day]).await;
    let list = house.run(&["period", "checklist", &day]).await;
    assert!(!list.status.success() && list.stdout.contains("may NOT be closed"), "{}", list.stdout);
    let line = list.stdout.lines().find(|line| line.contains("every-channel-file-is-there"));
    let line = line.unwrap_or_else(|| panic!("{}", list.stdout));
    assert!(line.starts_with("UNKNOWN") || line.starts_with("BLOCKS"), "{line}");
}
