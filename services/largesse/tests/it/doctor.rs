//! Invariant under test: what would hurt is refused before it does, in one line that says what to change.

use crate::place::{Place, text};

const APART: [(&str, &str); 3] = [
    ("LARGESSE_PLACEMENT__POSTGRES", "db-a"),
    ("LARGESSE_PLACEMENT__REDIS", "cache-a"),
    ("LARGESSE_PLACEMENT__RABBITMQ", "bus-a"),
];

#[tokio::test]
async fn the_doctor_finds_missing_schemas_then_nothing_then_two_masters_on_one_host() {
    let database = testkit::postgres().await.fresh_database().await;
    let place = Place::new();
    let words = ["doctor", "--database", database.url()];
    let bare = place.run(&words, &[]).await;
    assert!(!bare.status.success(), "{}", bare.stdout);
    assert!(bare.stdout.contains("run `largesse migrate`"), "{}", bare.stdout);
    let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let well = place.run(&words, &[]).await;
    assert!(well.status.success(), "{}\n{}", well.stdout, well.stderr);
    for looked_at in [
        "server version",
        "clock",
        "fsync",
        "synchronous_commit",
        "connections",
        "schema wallet",
        "worth of a coin",
    ] {
        assert!(well.stdout.contains(looked_at), "{looked_at} was not looked at:\n{}", well.stdout);
    }
    let mut env = vec![("LARGESSE_PROFILE", "production")];
    env.extend(APART);
    env[2].1 = "db-a";
    let together = place.run(&words, &env).await;
    assert!(!together.status.success(), "{}", together.stdout);
    assert!(together.stdout.contains("postgres and redis fall together"), "{}", together.stdout);
}

#[tokio::test]
async fn a_process_that_wants_more_connections_than_there_are_does_not_start() {
    let database = testkit::postgres().await.fresh_database().await;
    let place = Place::new();
    let data_dir = place.data_dir();
    let words =
        ["up", "--database", database.url(), "--data-dir", text(&data_dir), "--listen", "127.0.0.1:0"];
    let refused = place.run(&words, &[("LARGESSE_DATABASE__CONNECTIONS_MAX", "100000")]).await;
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("connections_max"), "{}", refused.stderr);
    assert_eq!(refused.stderr.trim().lines().count(), 1, "{}", refused.stderr);
}

#[tokio::test]
async fn the_doctor_shows_what_all_processes_may_open_and_each_refuses_to_start_when_it_is_too_much() {
    let database = testkit::postgres().await.fresh_database().await;
    let place = Place::new();
    let migrated = place.run(&["migrate", "--database", database.url()], &[]).await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let declared = |processes: &'static str| {
        [
            ("LARGESSE_DATABASE__URL", database.url()),
            ("LARGESSE_CONNECTIONS__WALLET__PROCESSES", processes),
            ("LARGESSE_CONNECTIONS__WALLET__EACH", "16"),
        ]
    };
    let well = place.run(&["doctor"], &declared("2")).await;
    assert!(well.status.success(), "{}\n{}", well.stdout, well.stderr);
    assert!(well.stdout.contains("32 of ") && well.stdout.contains("wallet 2 × 16"), "{}", well.stdout);
    let ill = place.run(&["doctor"], &declared("5000")).await;
    assert!(!ill.status.success(), "{}", ill.stdout);
    let data_dir = place.data_dir();
    let words = |service| ["serve", service, "--listen", "127.0.0.1:0", "--data-dir", text(&data_dir)];
    let refused = place.run(&words("wallet"), &declared("5000")).await;
    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("wallet 5000 × 16") && refused.stderr.contains("[connections]"),
        "{}",
        refused.stderr
    );
    let unknown = place.run(&words("recon"), &declared("2")).await;
    assert!(unknown.stderr.contains("no entry for recon"), "{}", unknown.stderr);
}
