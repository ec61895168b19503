//! Invariant under test: from a contract to the bank, a streamer's money goes its way by the verbs of the command line,
//! each step by the right person, and the books close after it.
//!
//! A statement is made when its day is over, so the house's accounting zone is one in which midnight is near.

use crate::place::{COMMAND_LIMIT, Place, free_address, short_evening, text, wait_until_ready};
use chaos::{Ended, Victim};
use chrono::{DateTime, Days, FixedOffset, NaiveDate, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Gifts of the evening; a sender sends eight.
const GIFTS: usize = 40;

/// What is left of the day when the house opens, at least: the evening must fit.
const EVENING_LEN: TimeDelta = TimeDelta::seconds(40);

struct House {
    place: Place,
    address: SocketAddr,
    database: testkit::TestDatabase,
    /// The day that is about to end, and when it does.
    day: NaiveDate,
    midnight: DateTime<Utc>,
    _process: Victim,
}

/// A zone, in minutes east, whose midnight is the next whole minute after an evening's length; its day until then.
fn zone_before_midnight(now: DateTime<Utc>) -> (i32, NaiveDate, DateTime<Utc>) {
    let end = now + EVENING_LEN + TimeDelta::minutes(1);
    let midnight = end
        - TimeDelta::seconds(i64::from(end.second()))
        - TimeDelta::nanoseconds(i64::from(end.nanosecond()));
    let minute_of_day = i32::try_from(midnight.hour() * 60 + midnight.minute()).expect("a minute of a day");
    // Zones reach from twelve hours west to fourteen east.
    let east = if minute_of_day <= 720 { -minute_of_day } else { 1_440 - minute_of_day };
    let zone = FixedOffset::east_opt(east * 60).expect("a zone");
    (east, now.with_timezone(&zone).date_naive(), midnight)
}

impl House {
    async fn start() -> House {
        let place = Place::new();
        let database = testkit::postgres().await.fresh_database().await;
        let (address, folder) = (free_address(), place.data_dir());
        let listen = address.to_string();
        let (east, day, midnight) = zone_before_midnight(Utc::now());
        let words = ["up", "--data-dir", text(&folder), "--listen", &listen, "--database", database.url()];
        let zone = east.to_string();
        let env = [
            ("LARGESSE_DATABASE__CONNECTIONS_MAX", "8"),
            ("LARGESSE_ACCOUNTING_ZONE_MINUTES", zone.as_str()),
            ("LARGESSE_SETTLEMENT__FINALISE_EVERY_S", "1"),
            ("LARGESSE_SETTLEMENT__PAYOUTS__HOLD_DAYS", "0"),
            ("LARGESSE_SETTLEMENT__PAYOUTS__MINIMUM_MINOR", "1"),
            ("LARGESSE_SETTLEMENT__PAYER__NAME", "Largesse Sample Ltd"),
            ("LARGESSE_SETTLEMENT__PAYER__ACCOUNT_NO", "\"6222020200012345678\""),
            ("LARGESSE_SETTLEMENT__PAYER__BANK_CODE", "\"102100099996\""),
            ("LARGESSE_RECON__DAILY_RUN_AT", ""),
        ];
        let process = place.start(&words, &env);
        wait_until_ready(address).await;
        House { place, address, database, day, midnight, _process: process }
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

    /// What is refused, and by which slug.
    async fn refused(&self, words: &[&str], slug: &str) {
        let ended = self.run(words).await;
        let is_so = !ended.status.success() && ended.stderr.contains(&format!("[{slug}]"));
        assert!(is_so, "{words:?}: {}\n{}", ended.stdout, ended.stderr);
    }

    /// Asks again until the answer is so.
    async fn until(&self, words: &[&str], is_it: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.json(words).await;
            if is_it(&answer) {
                return answer;
            }
            assert!(began.elapsed() < COMMAND_LIMIT, "{words:?}: {answer}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    fn file(&self, name: &str, body: &str) -> std::path::PathBuf {
        let path = self.place.file(name);
        std::fs::write(&path, body).expect("written");
        path
    }
}

fn word<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {of}"))
}

#[tokio::test]
async fn a_streamers_money_goes_from_the_contract_to_the_bank_by_the_verbs_of_the_command_line() {
    let house = House::start().await;
    let evening = house.place.file("evening.jsonl");
    short_evening(&evening, GIFTS);
    house.done(&["replay", text(&evening)]).await;
    house.place.closed_books(house.database.url()).await;
    assert!(Utc::now() < house.midnight, "the evening took longer than was left of its day");

    let streamer = a_contract_is_imported_by_one_and_approved_by_another(&house).await;
    let order = the_statement_names_its_contract_and_opens_its_orders(&house, &streamer).await;
    a_rule_of_withholding_is_proposed_by_one_and_approved_by_another(&house).await;
    the_money_goes_to_the_bank_and_the_bank_says_what_became_of_it(&house, &streamer).await;
    a_file_of_refunds_is_handed_in_by_one_and_approved_by_another(&house, &order).await;
    house.place.closed_books(house.database.url()).await;

    let (day, next) = (house.day.to_string(), house.day.succ_opt().expect("a day").to_string());
    let parquet = house.place.file("journal.parquet");
    let words =
        ["journal", "export", "--from", &day, "--to", &next, "--format", "parquet", "--out", text(&parquet)];
    house.done(&words).await;
    let bytes = std::fs::read(&parquet).expect("a file");
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
}

/// The terms of the streamer with the most gifts change in a week; until then the old ones hold.
async fn a_contract_is_imported_by_one_and_approved_by_another(house: &House) -> String {
    let exported = house.place.file("contracts.csv");
    house.done(&["contract", "export", "--out", text(&exported)]).await;
    let all = std::fs::read_to_string(&exported).expect("a file");
    let (header, lines) = all.split_once('\n').expect("a header");
    assert_eq!(
        header.trim_end(),
        "streamer_id,valid_from,agency_id,streamer_ppm,agency_ppm,platform_ppm,tax_ppm,promo"
    );
    let most =
        "SELECT streamer_id::text FROM gift.orders GROUP BY streamer_id ORDER BY count(*) DESC, 1 LIMIT 1";
    let pool = house.database.pool().await;
    let streamer: String = sqlx::query_scalar(most).fetch_one(&pool).await.expect("gifts were sent");
    let known = lines.lines().filter(|line| line.starts_with(&streamer)).count();
    let later = house.day.checked_add_days(Days::new(7)).expect("a day");
    let new = format!("{header}\n{streamer},{later},,600000,0,400000,60000,shared\n");
    let file = house.file("new.csv", &new);
    let imported = house.json(&["contract", "import", text(&file), "--sub", "mia"]).await;
    assert_eq!(imported["new"], json!(1), "{imported}");
    let import = word(&imported, "import_id").to_owned();
    house.refused(&["contract", "approve", &import, "--sub", "mia"], "maker-is-checker").await;
    let before = house.json(&["contract", "list", "--streamer", &streamer]).await;
    assert_eq!(
        before["contracts"].as_array().map(Vec::len),
        Some(known),
        "nothing is in force yet: {before}"
    );
    let table = house.done(&["contract", "approve", &import, "--sub", "ced"]).await;
    assert!(table.contains("approved"), "{table}");
    let after = house.json(&["contract", "list", "--streamer", &streamer]).await;
    assert_eq!(after["contracts"].as_array().map(Vec::len), Some(known + 1), "{after}");
    let listed = house.done(&["contract", "imports"]).await;
    assert!(listed.contains(&import), "{listed}");
    let bad = house.file("bad.csv", &new.replace("600000", "700000"));
    let ended = house.run(&["contract", "import", text(&bad), "--sub", "mia"]).await;
    assert!(!ended.status.success() && ended.stderr.contains("line 2"), "{}{}", ended.stdout, ended.stderr);
    streamer
}

async fn a_rule_of_withholding_is_proposed_by_one_and_approved_by_another(house: &House) {
    let later = house.day.checked_add_days(Days::new(30)).expect("a day");
    let rule = format!(
        "payee = \"streamer\"\nvalid_from = \"{later}\"\nname = \"as announced\"\n[method.cumulative]\ncost_ppm = 200000\n\
         allowance_minor = 500000\nbrackets = [\n{{ above_minor = 0, rate_ppm = 30000, quick_minor = 0 }},\n]\n"
    );
    let file = house.file("withholding.toml", &rule);
    let words =
        ["payout", "withholding", "propose", text(&file), "--reason", "announcement 1", "--sub", "mia"];
    let asked = house.json(&words).await;
    let proposal = word(&asked, "proposal_id");
    house.refused(&["payout", "withholding", "approve", proposal, "--sub", "mia"], "maker-is-checker").await;
    house.done(&["payout", "withholding", "approve", proposal, "--sub", "ced"]).await;
    let listed = house.done(&["payout", "withholding", "list"]).await;
    assert!(listed.contains(&later.to_string()) && listed.contains("announcement 1"), "{listed}");
    let bad = house.file("bad.toml", &rule.replace("quick_minor = 0", "quick_minor = 7"));
    let words = ["payout", "withholding", "propose", text(&bad), "--reason", "x", "--sub", "mia"];
    house.refused(&words, "withholding-rule-refused").await;
}

/// Once the day is over.
async fn the_statement_names_its_contract_and_opens_its_orders(house: &House, streamer: &str) -> String {
    let day = house.day.to_string();
    let words = ["statement", "list", "--from", &day, "--to", &day, "--payee-id", streamer];
    let listed = house
        .until(&words, |answer| answer["statements"].as_array().is_some_and(|list| !list.is_empty()))
        .await;
    assert!(Utc::now() >= house.midnight, "a statement was made of a day that was not over: {listed}");
    let table = house.done(&words).await;
    assert!(table.contains("payable_minor") && table.contains(streamer), "{table}");
    let shown = house.json(&["statement", "show", streamer, &day]).await;
    let line = &shown["lines"][0];
    let version = line["contract_version"].to_string();
    assert_ne!(version, "null", "{shown}");
    let words = ["statement", "orders", streamer, &day, "--streamer", streamer, "--version", &version];
    let orders = house.json(&words).await;
    let count = orders["orders"].as_array().map_or(0, Vec::len);
    assert_eq!(json!(count), line["settled_count"], "the line opens its orders: {orders}");
    assert!(house.done(&words).await.contains("earned_micro"));
    for (format, begins) in [("csv", &b"payee,"[..]), ("xlsx", b"PK"), ("lines-csv", b"\xef\xbb\xbfpayee")] {
        let out = house.place.file(&format!("statements.{format}"));
        let words =
            ["statement", "list", "--from", &day, "--to", &day, "--format", format, "--out", text(&out)];
        house.done(&words).await;
        let bytes = std::fs::read(&out).expect("a file");
        assert!(
            bytes.starts_with(begins) && bytes.len() > 100,
            "{format}: {:?}",
            &bytes[..8.min(bytes.len())]
        );
    }
    word(&orders["orders"][0], "order_id").to_owned()
}

async fn the_money_goes_to_the_bank_and_the_bank_says_what_became_of_it(house: &House, streamer: &str) {
    let payee = ["payout", "payee", streamer];
    let stands =
        house.until(&payee, |payee| payee["available_minor"].as_i64().is_some_and(|minor| minor > 0)).await;
    let available = stands["available_minor"].as_i64().expect("an amount");
    house.refused(&["payout", "request", streamer], "payee-account-missing").await;
    let account = [
        "payout",
        "account",
        streamer,
        "--holder",
        "Ann",
        "--account-no",
        "6222020200087654321",
        "--bank-code",
        "102100099996",
    ];
    let given = house.json(&[&account[..], &["--sub", "mia"]].concat()).await;
    let account = word(&given, "account_id");
    house.refused(&["payout", "approve-account", account, "--sub", "mia"], "maker-is-checker").await;
    house.done(&["payout", "approve-account", account, "--sub", "ced"]).await;

    let too_much = (available + 1).to_string();
    house
        .refused(&["payout", "request", streamer, "--amount-minor", &too_much], "not-enough-available")
        .await;
    let asked = house.json(&["payout", "request", streamer, "--amount-minor", "1", "--sub", "mia"]).await;
    house.done(&["payout", "cancel", word(&asked, "request_id"), "--sub", "mia"]).await;
    for outcome in ["rejected", "paid"] {
        house.until(&payee, |payee| payee["available_minor"] == json!(available)).await;
        house.done(&["payout", "request", streamer, "--sub", "mia"]).await;
        let built = house.json(&["payout", "build", "--sub", "mia"]).await;
        let batch = word(&built, "batch_id");
        house.refused(&["payout", "submit", batch, "--sub", "mia"], "batch-state").await;
        house.refused(&["payout", "approve", batch, "--sub", "mia"], "maker-is-checker").await;
        house.done(&["payout", "approve", batch, "--sub", "ced"]).await;
        let (xml, csv) = (house.place.file("pain.xml"), house.place.file("payouts.csv"));
        house
            .done(&["payout", "submit", batch, "--format", "pain001", "--out", text(&xml), "--sub", "mia"])
            .await;
        house.done(&["payout", "submit", batch, "--out", text(&csv), "--sub", "mia"]).await;
        let order = std::fs::read_to_string(&xml).expect("a file");
        let amount = format!("{}.{:02}", available / 100, available % 100);
        assert!(order.contains("pain.001.001") && order.contains(&amount), "{amount} is not in {order}");
        let lines = house.json(&["payout", "show", batch]).await;
        let line = word(&lines["lines"][0], "line_id").to_owned();
        assert!(order.contains(&line.replace('-', "")), "the order names the line: {order}");
        assert!(std::fs::read_to_string(&csv).expect("a file").contains(&line));
        let words = match outcome {
            "paid" => vec!["payout", "confirm", batch, "--id", &line, "--sub", "ced"],
            _ => {
                let file =
                    house.file("bank.csv", &format!("line_id,outcome,reason\n{line},rejected,closed\n"));
                let file = Box::leak(text(&file).to_owned().into_boxed_str());
                vec!["payout", "confirm", batch, file, "--sub", "ced"]
            }
        };
        house.done(&words).await;
        assert!(house.done(&["payout", "show", batch]).await.contains(outcome));
        assert!(house.done(&["payout", "list"]).await.contains(batch));
    }
    let stands = house.json(&payee).await;
    let figures = ["available_minor", "in_flight_minor", "paid_minor"].map(|name| stands[name].clone());
    assert_eq!(figures, [json!(0), json!(0), json!(available)], "{stands}");
}

async fn a_file_of_refunds_is_handed_in_by_one_and_approved_by_another(house: &House, order: &str) {
    let file = house.file("refunds.csv", &format!("order_id,amount_coins,reason\n{order},,never shown\n"));
    let words = ["refund", "batch", text(&file), "--reason", "the outage", "--sub", "mia"];
    let case = house.json(&words).await;
    let case_id = word(&case, "case_id").to_owned();
    house.refused(&["refund", "approve", &case_id, "--sub", "mia"], "maker-is-checker").await;
    house.done(&["refund", "approve", &case_id, "--sub", "ced"]).await;
    let list = ["refund", "list", "--kind", "batch"];
    house.until(&list, |list| list["cases"][0]["state"] == "done").await;
    let (began, pool) = (Instant::now(), house.database.pool().await);
    let rows = "SELECT count(*) FROM gift.orders WHERE order_id = $1::text::uuid AND kind = 4";
    // The row follows the wallet's, which the case waits for.
    while sqlx::query_scalar::<_, i64>(rows).bind(order).fetch_one(&pool).await.expect("reads") != 1 {
        assert!(began.elapsed() < COMMAND_LIMIT, "the order does not say that it was refunded");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
