//! Invariant under test: a file comes in whole and once, or not at all, and then it says why.

use crate::desk_api::slug;
use crate::small_day::{Office, SmallDay, day};
use axum::http::StatusCode;
use bills::wechat::write::{Fault, Total};
use edge::Role;
use serde_json::{Value, json};

const PATH: &str = "/v1/finance/bills?channel=sandbox";

async fn office() -> (SmallDay, Office) {
    let books = SmallDay::usual().await;
    let office = Office::of(books.bench.start().await);
    (books, office)
}

async fn counts(books: &SmallDay) -> (i64, i64) {
    let bench = &books.bench;
    let files = bench.count("SELECT count(*) FROM {s}.bills").await;
    (files, bench.count("SELECT count(*) FROM {s}.bill_rows").await)
}

#[tokio::test]
async fn a_bill_comes_in_whole_and_the_same_file_is_refused_by_name() {
    let (books, office) = office().await;
    let file = books.bill(&[]);
    let verify = "/v1/finance/bills/verify?channel=sandbox&format=wechat-trade";
    let (status, seen) = office.api.post_file(&office.maker, verify, &file).await;
    assert_eq!(
        (status, &seen["rows"], &seen["is_known"]),
        (StatusCode::OK, &json!(12), &json!(false)),
        "{seen}"
    );
    assert_eq!(counts(&books).await, (0, 0), "verifying changes nothing");
    for (told, slug_of_it) in [
        ("sha1=00", "digest-malformed"),
        ("sha256=zz", "digest-malformed"),
        (&format!("sha1={}", "0".repeat(40)), "bill-hash-mismatch"),
        (&format!("sha256={}", "0".repeat(64)), "bill-hash-mismatch"),
        ("rows=13", "bill-totals-mismatch"),
    ] {
        let (status, refused) = office.api.post_file(&office.maker, &format!("{PATH}&{told}"), &file).await;
        assert_eq!((status, slug(&refused)), (StatusCode::UNPROCESSABLE_ENTITY, slug_of_it), "{refused}");
    }
    assert_eq!(counts(&books).await, (0, 0), "what is another file than was told leaves nothing");
    let is_it = format!("{verify}&rows=12&sha256={}", seen["sha256"].as_str().expect("a digest"));
    let (status, seen) = office.api.post_file(&office.maker, &is_it, &file).await;
    assert_eq!(status, StatusCode::OK, "{seen}");
    let bill = office.import(&file).await;
    assert_eq!((&bill["state"], &bill["format"]), (&json!("imported"), &json!("wechat-trade")));
    assert_eq!((&bill["period_from"], &bill["period_to"]), (&json!(day()), &json!(day())));
    let totals = json!({ "CNY": { "rows": 12, "in_minor": 7_266, "out_minor": 0, "fee_micro": 43_596_000 } });
    assert_eq!((&bill["totals"], &bill["proofs"]), (&totals, &json!(["row_count", "sums"])));
    assert_eq!(counts(&books).await, (1, 12));
    let (status, again) = office.api.post_file(&office.maker, PATH, &file).await;
    assert_eq!((status, slug(&again)), (StatusCode::CONFLICT, "bill-known"), "{again}");
    assert_eq!(again["bill_id"], bill["bill_id"]);
    let (_, seen) = office.api.post_file(&office.maker, verify, &file).await;
    assert_eq!(seen["is_known"], json!(true));
    assert_eq!(counts(&books).await, (1, 12));
    let listed = office.get(&format!("/v1/finance/bills?day={}", day())).await;
    assert_eq!(listed["bills"].as_array().map(Vec::len), Some(1), "{listed}");
    let other_day = office.get("/v1/finance/bills?day=2026-02-01").await;
    assert_eq!(other_day["bills"], json!([]));
    let one = office.get(&format!("/v1/finance/bills/{}", bill["bill_id"].as_str().expect("an id"))).await;
    assert_eq!(one, bill);
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_broken_file_says_line_and_column_and_changes_nothing() {
    let (books, office) = office().await;
    let text = String::from_utf8(books.bill(&[])).expect("text");
    let broken = text.replacen("`OTHERS,`CNY,`6.03,", "`OTHERS,`CNY,`6.O3,", 1);
    assert_ne!(broken, text);
    let (status, told) = office.api.post_file(&office.maker, PATH, broken.as_bytes()).await;
    assert_eq!((status, slug(&told)), (StatusCode::UNPROCESSABLE_ENTITY, "bill-broken"), "{told}");
    assert_eq!((&told["line"], &told["column"]), (&json!(5), &json!(13)), "{told}");
    let off = books.bill(&[Fault::WrongTotal { total: Total::Due, by: 7 }]);
    let (_, told) = office.api.post_file(&office.maker, PATH, &off).await;
    assert_eq!((slug(&told), &told["difference"]), ("bill-totals-mismatch", &json!(-7)), "{told}");
    let cut = books.bill(&[Fault::Truncated { bytes: 40 }]);
    let (status, told) = office.api.post_file(&office.maker, PATH, &cut).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
    let (_, told) = office.api.post_file(&office.maker, PATH, b"no bill at all").await;
    assert_eq!(slug(&told), "bill-unknown-format", "{told}");
    let wrong = format!("{PATH}&format=camt-053");
    let (_, told) = office.api.post_file(&office.maker, &wrong, text.as_bytes()).await;
    assert_eq!(slug(&told), "bill-other-format", "{told}");
    let (_, told) =
        office.api.post_file(&office.maker, "/v1/finance/bills?channel=a%2Fb", text.as_bytes()).await;
    assert_eq!(slug(&told), "channel-malformed", "{told}");
    let zero = text.replacen("coins", "co\0ns", 1);
    let (_, told) = office.api.post_file(&office.maker, PATH, zero.as_bytes()).await;
    assert_eq!((slug(&told), &told["line"]), ("bill-broken", &json!(2)), "{told}");
    assert_eq!(counts(&books).await, (0, 0), "none of them left anything");
    let auditor = office.api.person(Role::Auditor, "aud");
    let (status, _) = office.api.post_file(&auditor, PATH, text.as_bytes()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    office.running.shutdown().await;
}

#[tokio::test]
async fn a_file_larger_than_the_limit_is_refused_and_one_larger_than_other_bodies_is_not() {
    let mut books = SmallDay::usual().await;
    let rows = books.trade_rows();
    let many: Vec<_> = (0..400)
        .map(|number| {
            let mut row = rows[0].clone();
            row.channel_order = format!("wx-many-{number}");
            row
        })
        .collect();
    let file = crate::small_day::bill_of(&many, &[]);
    assert!(file.len() > edge::BODY_LEN_MAX, "the test needs a larger file: {}", file.len());
    let max = u64::try_from(file.len()).expect("small");
    books.bench.tune = Box::new(move |config| config.bill_bytes_max = max);
    let office = Office::of(books.bench.start().await);
    let mut longer = file.clone();
    longer.push(b'\n');
    let (status, told) = office.api.post_file(&office.maker, PATH, &longer).await;
    assert_eq!((status, slug(&told)), (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"), "{told}");
    office.import(&file).await;
    office.running.shutdown().await;
}

#[tokio::test]
async fn an_import_that_was_cut_off_counts_for_nothing_and_goes_on_when_the_file_comes_again() {
    let (books, office) = office().await;
    let file = books.bill(&[]);
    let bill = office.import(&file).await;
    // As a crash between two chunks leaves it.
    let db = &books.bench.db;
    let mut tx = db.begin().await.expect("begins");
    for sql in [
        "SET LOCAL session_replication_role = replica",
        "DELETE FROM {s}.bill_rows WHERE row_no > 5",
        "UPDATE {s}.bills SET state = 1, imported_at = NULL",
    ] {
        sqlx::query(db.sql(sql)).execute(&mut *tx).await.expect(sql);
    }
    tx.commit().await.expect("commits");
    let other = "/v1/finance/bills?channel=other";
    let (_, told) = office.api.post_file(&office.maker, other, &file).await;
    assert_eq!(slug(&told), "bill-under-way", "{told}");
    let again = office.import(&file).await;
    assert_eq!((&again["bill_id"], &again["state"]), (&bill["bill_id"], &json!("imported")));
    assert_eq!(counts(&books).await, (1, 12));
    office.running.shutdown().await;
}

#[tokio::test]
async fn other_files_are_read_by_a_saved_profile_and_a_changed_profile_is_a_new_version() {
    let (books, office) = office().await;
    let profile = json!({
        "version": 1, "name": "icbc", "currency": "CNY",
        "columns": { "at": "date", "channel_ref": "ref", "our_ref": "note", "amount": { "in_positive": { "column": "amount" } } },
        "dates": { "format": "%Y-%m-%d", "offset": "+08:00" },
    });
    let file = b"date,ref,note,amount\n2026-03-02,b-1,sandbox-2026-03-01,72.66\n";
    let path = "/v1/finance/bills?channel=sandbox&scope=bank&profile=icbc";
    let (_, told) = office.api.post_file(&office.maker, path, file).await;
    assert_eq!(slug(&told), "no-such-profile", "{told}");
    for version in 1..=2 {
        let (status, saved) = office.api.post(&office.maker, "/v1/finance/bill-profiles", &profile).await;
        assert_eq!((status, &saved["version"]), (StatusCode::CREATED, &json!(version)), "{saved}");
    }
    let mut bad = profile.clone();
    bad["dates"]["offset"] = json!("noon");
    let (_, told) = office.api.post(&office.maker, "/v1/finance/bill-profiles", &bad).await;
    assert_eq!(slug(&told), "bill-profile-invalid", "{told}");
    let (status, bill) = office.api.post_file(&office.maker, path, file).await;
    assert_eq!(status, StatusCode::CREATED, "{bill}");
    let told = [&bill["scope"], &bill["format"], &bill["profile"], &bill["rows"]];
    assert_eq!(told, [&json!("bank"), &json!("profile"), &json!("icbc@2"), &json!(1)]);
    let listed = office.get("/v1/finance/bill-profiles").await;
    assert_eq!(
        (listed["profiles"].as_array().map(Vec::len), &listed["profiles"][0]["version"]),
        (Some(1), &json!(2))
    );
    assert_eq!(counts(&books).await, (1, 1));
    let rows: Value = json!(books.bench.count("SELECT amount_minor FROM {s}.bill_rows").await);
    assert_eq!(rows, json!(7_266));
    office.running.shutdown().await;
}
