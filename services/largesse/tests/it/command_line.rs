//! Invariant under test: whatever is wrong with a command is one line that says what to change, and a code.

use crate::place::{COMMAND_LIMIT, Place, free_address, text, wait_until_ready};

#[tokio::test]
async fn a_data_directory_in_use_and_a_port_in_use_are_refused_by_name() {
    let (place, address) = (Place::new(), free_address());
    let (data_dir, listen) = (place.data_dir(), address.to_string());
    let first = place.start(&["up", "--data-dir", text(&data_dir), "--listen", &listen], &[]);
    wait_until_ready(address).await;
    let second = place.run(&["up", "--data-dir", text(&data_dir), "--listen", "127.0.0.1:0"], &[]).await;
    assert!(!second.status.success());
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    let other = place.file("other");
    let third = place.run(&["up", "--data-dir", text(&other), "--listen", &listen], &[]).await;
    assert!(!third.status.success());
    assert!(third.stderr.contains(&listen), "{}", third.stderr);
    assert!(!third.stderr.contains("panicked"), "{}", third.stderr);
    assert!(first.kill_after(std::time::Duration::ZERO).await.expect("killed"), "up had ended by itself");
}

#[tokio::test]
async fn a_data_directory_of_a_newer_version_is_refused_and_left_alone() {
    let place = Place::new();
    let data_dir = place.data_dir();
    std::fs::create_dir_all(&data_dir).expect("a folder");
    std::fs::write(data_dir.join("format"), "99").expect("written");
    let refused = place.run(&["check", "--data-dir", text(&data_dir)], &[]).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("newer version"), "{}", refused.stderr);
    assert!(!data_dir.join("pg").exists(), "something was written into it");
}

#[tokio::test]
async fn an_unknown_setting_is_refused_by_its_name_from_a_file_and_from_the_environment() {
    let place = Place::new();
    let (data_dir, file) = (place.data_dir(), place.file("largesse.toml"));
    std::fs::write(&file, "[http]\nlisten_on = \"127.0.0.1:0\"\n").expect("written");
    let words = ["up", "--data-dir", text(&data_dir), "--config", text(&file)];
    let refused = place.run(&words, &[]).await;
    assert!(refused.stderr.contains("listen_on"), "{}", refused.stderr);
    let words = ["up", "--data-dir", text(&data_dir)];
    let refused = place.run(&words, &[("LARGESSE_WALLET__LANE_CUONT", "3")]).await;
    assert!(refused.stderr.contains("lane_cuont"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_process_that_lacks_another_one_says_which_setting_names_it() {
    let place = Place::new();
    let data_dir = place.data_dir();
    for (words, env, expected) in [
        (vec!["serve", "gift"], vec![], "peers.wallet"),
        (vec!["serve", "console", "wallet"], vec![], "console needs gift"),
        (vec!["serve", "gift"], vec![("LARGESSE_PEERS__WALLET", "[\"wallet-1:8080\"]")], "wallet-1:8080"),
        (vec!["serve", "wallet"], vec![("LARGESSE_PEERS__BATCH_LEN_MAX", "0")], "batch_len_max"),
    ] {
        let words = [&words[..], &["--data-dir", text(&data_dir), "--listen", "127.0.0.1:0"]].concat();
        let refused = place.run(&words, &env).await;
        assert!(!refused.status.success(), "{words:?}");
        assert!(refused.stderr.contains(expected), "{words:?}: {}", refused.stderr);
        let said = refused.stderr.lines().filter(|line| line.starts_with("largesse: ")).count();
        assert_eq!(said, 1, "one line says it: {}", refused.stderr);
    }
}

#[tokio::test]
async fn a_process_waits_for_the_schemas_and_starts_when_somebody_has_migrated() {
    let (place, address) = (Place::new(), free_address());
    let database = testkit::postgres().await.fresh_database().await;
    let (data_dir, listen) = (place.data_dir(), address.to_string());
    let words =
        ["serve", "wallet", "--data-dir", text(&data_dir), "--listen", &listen, "--database", database.url()];
    let impatient = place.run(&words, &[("LARGESSE_START__WAIT_MAX_S", "1")]).await;
    assert!(!impatient.status.success());
    let last = impatient.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("run `largesse migrate`"), "{}", impatient.stderr);
    let patient = place.start(&words, &[]);
    let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    wait_until_ready(address).await;
    assert!(patient.kill_after(std::time::Duration::ZERO).await.expect("killed"), "it had ended by itself");
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_place_are_refused_with_what_to_change() {
    let place = Place::new();
    let data_dir = place.data_dir();
    let database = testkit::postgres().await.fresh_database().await;
    let (head, tail) = database.url().rsplit_once('@').expect("a user");
    let (head, _) = head.rsplit_once(':').expect("a password");
    let wrong_password = format!("{head}:wrong@{tail}");
    let amqp = testkit::amqp_url().await;
    let wrong_guest = amqp.replace("guest:guest", "guest:wrong");
    for (setting, url, wait, expected) in [
        ("LARGESSE_DATABASE__URL", wrong_password.as_str(), "60", "correct database.url"),
        ("LARGESSE_DATABASE__URL", "postgres://app@127.0.0.1:1/none", "1", "correct database.url"),
        ("LARGESSE_DATABASE__URL", "mysql://app@db/none", "60", "not a database URL"),
        ("LARGESSE_AMQP__URL", wrong_guest.as_str(), "60", "correct amqp.url"),
        ("LARGESSE_REDIS__URL", "http://127.0.0.1:1", "60", "correct redis.url"),
    ] {
        let words = ["up", "--data-dir", text(&data_dir), "--listen", "127.0.0.1:0"];
        let began = std::time::Instant::now();
        let refused = place.run(&words, &[(setting, url), ("LARGESSE_START__WAIT_MAX_S", wait)]).await;
        assert!(!refused.status.success(), "{url}");
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("largesse: ") && last.contains(expected), "{url}: {}", refused.stderr);
        assert!(!refused.stderr.contains(":wrong"), "a password shows: {}", refused.stderr);
        assert!(
            began.elapsed() < std::time::Duration::from_secs(40),
            "{url}: it waited for what cannot come"
        );
    }
}

#[tokio::test]
async fn a_token_needs_the_owners_eyes_only_and_says_nothing_else() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let data_dir = place.data_dir();
    let words = ["token", "--role", "viewer", "--sub", "ann", "--data-dir", text(&data_dir)];
    let token = place.run(&words, &[]).await;
    assert!(token.status.success(), "{}", token.stderr);
    assert_eq!(token.stdout.trim().split('.').count(), 3, "a JWT and nothing else");
    let secrets = data_dir.join("secrets.toml");
    let mode = std::fs::metadata(&secrets).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let refused = place.run(&words, &[]).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("0600"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_hostile_replay_file_is_refused_with_its_line_before_anything_is_sent() {
    let (place, address) = (Place::new(), free_address());
    let (data_dir, listen, url) = (place.data_dir(), address.to_string(), format!("http://{address}"));
    let up = place.start(&["up", "--data-dir", text(&data_dir), "--listen", &listen], &[]);
    wait_until_ready(address).await;
    for (name, content, expected) in [
        ("cut.jsonl", "{\"format\":\"largesse-replay\",\"version\":1", "line 1"),
        ("bytes.jsonl", "\u{0}\u{1}\u{2}", "line 1"),
        ("empty.jsonl", "", "empty"),
    ] {
        let file = place.file(name);
        std::fs::write(&file, content).expect("written");
        let words = ["replay", text(&file), "--url", &url, "--data-dir", text(&data_dir)];
        let refused = place.start(&words, &[]).finish(COMMAND_LIMIT).await.expect("the command ends");
        assert!(!refused.status.success());
        assert!(refused.stderr.contains(expected), "{name}: {}", refused.stderr);
        assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    }
    assert!(up.kill_after(std::time::Duration::ZERO).await.expect("killed"), "up had ended by itself");
}

#[tokio::test]
async fn groups_that_do_not_exist_and_databases_that_are_one_are_refused_by_name() {
    let place = Place::new();
    let database = testkit::postgres().await.fresh_database().await;
    let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let carry = async |groups: &str| {
        let words = ["shards", "move", "--from", database.url(), "--to", database.url(), "--groups", groups];
        let refused = place.run(&words, &[]).await;
        assert!(!refused.status.success(), "{}", refused.stdout);
        refused.stderr
    };
    assert!(carry("8").await.contains("there is no group 8; they are 0 to 7"));
    assert!(carry("0,x").await.contains("\"x\" is no group"));
    assert!(carry("5-4").await.contains("names no group"));
    assert!(carry("0").await.contains("name two databases"));
    let list = place.run(&["shards", "list", "--database", database.url()], &[]).await;
    assert!(list.stdout.contains("nobody has written here yet"), "{}{}", list.stdout, list.stderr);
}

#[tokio::test]
async fn a_day_of_the_log_goes_when_nothing_needs_it_any_more_and_every_reason_is_named_before() {
    let place = Place::new();
    let database = testkit::postgres().await.fresh_database().await;
    let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let pool = database.pool().await;
    let run = async |sql: &'static str| {
        sqlx::raw_sql(sql).execute(&pool).await.expect("the statement runs");
    };
    let retire = async |more: &[&str]| {
        let words = [&["retire", "--database", database.url()], more].concat();
        let ended = place.run(&words, &[]).await;
        assert!(ended.status.success(), "{}", ended.stderr);
        ended.stdout
    };
    assert!(retire(&[]).await.contains("no day is older than wallet.id_age_max_days = 400"));
    // One recharge on 2 January 2024, in partition 5.
    run("CREATE TABLE wallet.entries_y20240102 PARTITION OF wallet.entries
             FOR VALUES FROM ('018cc77e-0000-7000-8000-000000000000') TO ('018ccca4-0000-7000-8000-000000000000');
         INSERT INTO wallet.entries (partition, seq, epoch, decided_at, day, request_id, account_id, previous_seq, kind,
             outcome, paid_delta_coins, promo_delta_coins, paid_after_coins, promo_after_coins, body_hash)
         VALUES (5, 1, 1, '2024-01-02', '2024-01-02', '018cc77f-0000-7000-8000-000000000001',
             '018cc77f-0000-7000-8000-00000000aaaa', 0, 1, 0, 10, 0, 10, 0, 0)")
    .await;
    let reasons = [
        ("no snapshot covers 1 of its partitions", "INSERT INTO wallet.snapshot_heads VALUES (5, 1)"),
        (
            "gift.orders is not past it in 1 partitions",
            "INSERT INTO gift.read_offsets VALUES ('gift.orders', 'wallet.entries', 5, 1, 1)",
        ),
        (
            "clearing.entries is not past it in 1 partitions",
            "INSERT INTO clearing.read_offsets VALUES ('clearing.entries', 'wallet.entries', 5, 1, 1)",
        ),
        (
            "recon.entries is not past it in 1 partitions",
            "INSERT INTO recon.read_offsets VALUES ('recon.entries', 'wallet.entries', 5, 1, 1)",
        ),
        (
            "1 of its accounting days are not closed",
            "INSERT INTO clearing.periods (day, state) VALUES ('2024-01-02', 3);
             INSERT INTO clearing.period_requests (request_id, period, first_day, last_day, step, state, proposed_by,
                 decided_by, decided_at)
             VALUES ('01900000-0000-7000-8000-000000000001', '2024-01-02', '2024-01-02', '2024-01-02', 2, 3,
                 '01900000-0000-7000-8000-00000000000a', '01900000-0000-7000-8000-00000000000b', now());
             INSERT INTO clearing.day_closings (day, version, sealed_version, request_id, voucher_count, digest)
             VALUES ('2024-01-02', 1, 1, '01900000-0000-7000-8000-000000000001', 0, 0)",
        ),
    ];
    for (reason, settled) in reasons {
        let told = retire(&[]).await;
        assert!(told.contains("stays: ") && told.contains(reason), "{reason}: {told}");
        run(settled).await;
        assert!(!retire(&["--look"]).await.contains(reason), "{reason}");
    }
    assert!(retire(&["--look"]).await.contains("2024-01-02             1 entries  may go"));
    assert!(retire(&[]).await.contains("2024-01-02             1 entries  retired"));
    assert!(retire(&[]).await.contains("no day is older"));
    let retired: i64 = sqlx::query_scalar("SELECT count(*) FROM wallet_retired.entries_y20240102")
        .fetch_one(&pool)
        .await
        .expect("it is kept");
    assert_eq!(retired, 1);
}
