//! Invariant under test: each line is taken once, whatever happens to its requests, and failures name lines.

use crate::stub::{Fault, PlainTokens, Stub};
use crate::{VALID, Written, catalogue, gift, written};
use contracts::catalogue::GiftKind;
use ids::{SendKey, id_time};
use loadtest::progress::Progress;
use loadtest::{Replay, ReplaySettings, Replayer, SendError, Summary, ValidReplay};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Twenty viewers with ten gifts each, in turn; each recharges exactly what they send.
fn many_lines() -> String {
    let mut text = String::from(
        r#"{"format":"largesse-replay","version":1,"source":"test","gifts":200,"free_gifts":0,"rooms":1,"viewers":20,"recharges":20}"#,
    );
    text.push('\n');
    text.push_str(VALID[1]);
    for viewer in 0..20 {
        write!(text, "\n{{\"kind\":\"recharge\",\"t_ms\":0,\"viewer\":\"v{viewer}\",\"amount_minor\":550}}")
            .expect("a String takes all");
    }
    for (num, viewer) in (1..=10).flat_map(|num| (0..20).map(move |viewer| (num, viewer))) {
        let total = num * 100;
        write!(
            text,
            "\n{{\"kind\":\"gift\",\"t_ms\":{num},\"viewer\":\"v{viewer}\",\"room\":\"r1\",\"gift_id\":1,\"num\":{num},\"coin_type\":\"gold\",\"total_coin\":{total}}}"
        )
        .expect("a String takes all");
    }
    text
}

async fn stub(fault: Fault) -> Stub {
    let stub = Stub::open(catalogue().gifts().cloned().collect()).await;
    stub.world().fault = fault;
    stub
}

fn settings(stub: &Stub, file: &Written) -> ReplaySettings {
    let mut settings = ReplaySettings::new(&stub.url, file.folder.path().join("run.json"));
    settings.connections = 8;
    settings.retry_for = Duration::from_secs(10);
    settings.credit_wait = Duration::from_secs(10);
    settings
}

fn valid(file: &Written) -> Arc<ValidReplay> {
    let replay = Replay::open(&file.path).expect("it opens");
    Arc::new(replay.validate(&catalogue()).expect("it is valid"))
}

async fn run(stub: &Stub, file: &Written) -> Result<Summary, SendError> {
    let replayer = Replayer::try_new(settings(stub, file), Arc::new(PlainTokens)).expect("an address");
    replayer.run(&valid(file), &Progress::hidden()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_is_taken_once_however_its_request_fails() {
    for fault in
        [Fault::None, Fault::Busy, Fault::BreaksAfterDoing, Fault::UnknownAfterDoing, Fault::NotYetHeard]
    {
        let (stub, file) = (stub(fault).await, written(many_lines().as_bytes()));
        let summary = run(&stub, &file).await.expect("it ends");
        assert_eq!((summary.sent, summary.accepted, summary.refused), (200, 200, 0), "{fault:?}");
        assert_eq!(summary.charged_coins, 20 * 5_500, "{fault:?}");
        assert_eq!(summary.gifts_over_time.iter().map(|bucket| bucket.gifts).sum::<u64>(), 200);
        assert_eq!(
            summary.rooms.first().map(|room| (room.title.as_str(), room.gifts)),
            Some(("Harbour", 200))
        );
        let world = stub.world();
        assert_eq!(world.taken.len(), 200, "{fault:?}");
        assert!(world.coins.values().all(|coins| *coins == 0), "{fault:?}: {:?}", world.coins);
        assert_eq!(summary.retries >= 200, fault != Fault::None, "{fault:?}");
        assert_eq!(
            summary.replayed,
            if matches!(fault, Fault::BreaksAfterDoing | Fault::UnknownAfterDoing) { 200 } else { 0 }
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_sends_the_same_keys_and_another_run_sends_others() {
    let (stub, file) = (stub(Fault::None).await, written(many_lines().as_bytes()));
    let first = run(&stub, &file).await.expect("it ends");
    let keys: HashSet<SendKey> = stub.world().attempts.keys().copied().collect();
    assert_eq!(keys.len(), 200);
    let started_ms = id_time(first.run_id).unix_ms;
    assert!(
        keys.iter().all(|key| id_time(key.uuid()).unix_ms == started_ms && key.uuid().get_version_num() == 7)
    );

    let again = run(&stub, &file).await.expect("it ends");
    assert_eq!((again.run_id, again.accepted, again.replayed), (first.run_id, 200, 200));
    assert_eq!(stub.world().taken.len(), 200, "nothing was taken twice");

    std::fs::remove_file(file.folder.path().join("run.json")).expect("it was there");
    run(&stub, &file).await.expect("it ends");
    assert_eq!(stub.world().taken.len(), 400, "another run is other gifts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gifts_of_one_viewer_arrive_in_their_order() {
    let (stub, file) = (stub(Fault::Busy).await, written(many_lines().as_bytes()));
    run(&stub, &file).await.expect("it ends");
    let world = stub.world();
    for viewer in world.coins.keys() {
        let quantities: Vec<u64> = world
            .taken
            .iter()
            .filter(|(_, sender, _)| sender == viewer)
            .filter_map(|(_, _, body)| body["quantity"].as_u64())
            .collect();
        assert_eq!(quantities, (1..=10).collect::<Vec<u64>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_gifts_and_empty_wallets_are_counted_apart() {
    let (stub, file) = (stub(Fault::None).await, written(VALID.join("\n").as_bytes()));
    stub.world().looks_before_credit = 3;
    let summary = run(&stub, &file).await.expect("it ends");
    // v2 never recharged, so the last line is refused; v1 paid for the first two.
    assert_eq!((summary.sent, summary.accepted, summary.refused, summary.free), (4, 2, 1, 1));
    assert_eq!(summary.charged_coins, 15_300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_differs_from_the_line_fails_the_run_and_names_it() {
    let (stub, file) = (stub(Fault::None).await, written(VALID.join("\n").as_bytes()));
    stub.world().overcharged_gift = Some(2);
    let error = run(&stub, &file).await.expect_err("one coin too many");
    assert_eq!(error.to_string(), "line 5, field `total_coin`: states 15000 coins, the server charged 15001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unexpected_refusal_fails_the_run_and_names_line_and_problem() {
    let (stub, file) = (stub(Fault::None).await, written(VALID.join("\n").as_bytes()));
    stub.world().refuse_with = Some("account-frozen");
    let error = run(&stub, &file).await.expect_err("nothing is taken");
    let SendError::Refused { what, status: 403, slug, .. } = error else { unreachable!("{error}") };
    assert!(what.to_string().ends_with("(gift)"));
    assert_eq!(slug, "account-frozen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_an_error_after_a_bounded_time() {
    let file = written(VALID.join("\n").as_bytes());
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut settings = ReplaySettings::new(format!("http://{closed}"), file.folder.path().join("run.json"));
    settings.retry_for = Duration::from_millis(300);
    let replayer = Replayer::try_new(settings, Arc::new(PlainTokens)).expect("an address");
    let error = replayer.run(&valid(&file), &Progress::hidden()).await.expect_err("nobody listens");
    assert!(matches!(error, SendError::NoAnswer { tries: 2.., .. }), "{error}");
}

#[tokio::test]
async fn a_run_file_of_another_file_or_of_nothing_is_refused() {
    let (stub, file) = (stub(Fault::None).await, written(VALID.join("\n").as_bytes()));
    run(&stub, &file).await.expect("it ends");
    std::fs::write(&file.path, VALID.join("\r\n")).expect("written again");
    assert!(matches!(run(&stub, &file).await, Err(SendError::OtherRun { .. })));
    std::fs::write(file.folder.path().join("run.json"), "{\"format\":1").expect("written again");
    assert!(matches!(run(&stub, &file).await, Err(SendError::RunFileDamaged { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_creates_the_gifts_it_needs_and_is_sent() {
    let (stub, file) = (stub(Fault::None).await, written(include_bytes!("../fixtures/recording.xml")));
    let replayer = Replayer::try_new(settings(&stub, &file), Arc::new(PlainTokens)).expect("an address");
    let known = replayer.catalogue().await.expect("the stub has one");
    assert_eq!(known.version, 7);
    let replay = Arc::new(Replay::open(&file.path).expect("it opens").validate(&known).expect("it is valid"));
    for start in 0..2 {
        let summary = replayer.run(&replay, &Progress::hidden()).await.expect("it ends");
        assert_eq!((summary.accepted, summary.refused, summary.free), (5, 0, 1), "start {start}");
        assert_eq!(summary.charged_coins, 228_405);
    }
    let created = stub.world().gifts.iter().filter(|gift| gift.gift_id >= 1_000_000_000).count();
    assert_eq!(created, 5, "once, not once a start");
}

#[test]
fn an_address_that_is_not_plain_http_is_refused() {
    for url in ["https://example.org", "localhost:8080", "", "ftp://x"] {
        let made = Replayer::try_new(ReplaySettings::new(url, "run.json"), Arc::new(PlainTokens));
        assert!(matches!(made.err(), Some(SendError::Url { .. })), "{url}");
    }
}

#[tokio::test]
async fn the_gift_kinds_of_the_stub_are_the_catalogues() {
    // The stub's word is only worth something if its shelf is the one files are validated against.
    let stub = Stub::open(vec![gift(9, 5, GiftKind::Paid)]).await;
    let replayer = Replayer::try_new(ReplaySettings::new(&stub.url, "unused"), Arc::new(PlainTokens));
    let known = replayer.expect("an address").catalogue().await.expect("a catalogue");
    assert_eq!(known.find(9), Some(&gift(9, 5, GiftKind::Paid)));
}
