//! Invariant under test: what leaves the house says what the tables say: a payment order pays each line once, and a
//! workbook's totals are the statements'.

use crate::desk::{Desk, quick_config};
use crate::money::{
    BATCHES, COINS_PER_FEN, confirm, earn, finish, open_account, request, submit_all, until_available,
};
use crate::orders::{day_of, delivered};
use axum::http::StatusCode;
use calamine::{Data, Range, Reader, Xlsx};
use ids::StreamerId;
use quick_xml::events::Event;
use settlement::{Config, Payer};
use std::io::Cursor;

fn paying() -> Config {
    let payer = Payer {
        name: "Largesse".to_owned(),
        account_no: "1002000100020001".to_owned(),
        bank_code: "102100099996".to_owned(),
        clearing_system: "CNAPS".to_owned(),
        remittance: "gifts".to_owned(),
    };
    Config { payer, public_url: "https://finance.example".to_owned(), ..quick_config() }
}

/// The texts of every element of a name.
fn texts(xml: &str, wanted: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_reader(xml.as_bytes());
    let (mut path, mut found) = (Vec::<String>::new(), Vec::new());
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(start) => path.push(start.name().as_ref().to_owned()),
            Event::End(_) => drop(path.pop()),
            Event::Text(text) if path.last().is_some_and(|name| name == wanted) => {
                found.push(text.to_string());
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_payment_order_pays_every_line_once_and_is_the_same_whenever_it_is_asked_for() {
    let mut desk = Desk::open_with(paying()).await;
    for (fen, day) in [(1_000_000, 1), (70_000, 2)] {
        let streamer = StreamerId::now();
        earn(&desk, streamer, fen, day).await;
        until_available(&desk, streamer, fen).await;
        open_account(&desk, streamer).await;
        assert_eq!(request(&desk, streamer, None).await.status, StatusCode::CREATED);
    }
    let (batch, lines) = submit_all(&desk).await;
    let path = format!("{BATCHES}/{batch}/file.xml");
    let (status, order) = desk.get_text(&path).await;
    assert_eq!(status, StatusCode::OK, "{order}");
    let minor = |text: &String| text.replace('.', "").parse::<i64>().expect("two places");
    let paid: i64 = texts(&order, "InstdAmt").iter().map(minor).sum();
    let wanted: i64 = lines.iter().map(|line| line["net_minor"].as_i64().expect("minor units")).sum();
    assert_eq!(
        (paid, texts(&order, "CtrlSum").iter().map(minor).collect::<Vec<_>>()),
        (wanted, vec![wanted; 2])
    );
    let mut ids = texts(&order, "EndToEndId");
    let mut told: Vec<String> =
        lines.iter().map(|line| line["line_id"].as_str().expect("an id").replace('-', "")).collect();
    ids.sort_unstable();
    told.sort_unstable();
    assert_eq!(ids, told, "what the bank gives back names our lines");
    assert_eq!(texts(&order, "MmbId")[0], "102100099996", "our bank by its number in the clearing");
    assert!(texts(&order, "BICFI").iter().all(|bic| bic == "ICBKCNBJ"), "theirs by BIC");
    for line in &lines {
        assert_eq!(confirm(&desk, &batch, line, "paid").await.status, StatusCode::OK);
    }
    assert_eq!(desk.get_text(&path).await, (StatusCode::OK, order), "the file of a batch never changes");
    desk.prove().await;
    desk.stop().await;
}

#[tokio::test]
async fn no_payment_order_is_written_before_a_batch_is_submitted_or_without_a_payer() {
    let mut desk = Desk::open().await;
    let streamer = StreamerId::now();
    earn(&desk, streamer, 70_000, 1).await;
    until_available(&desk, streamer, 70_000).await;
    open_account(&desk, streamer).await;
    request(&desk, streamer, None).await;
    let (batch, _) = submit_all(&desk).await;
    let (status, problem) = desk.get_text(&format!("{BATCHES}/{batch}/file.xml")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem.contains("payer-not-set"), "{problem}");
    let (status, _) = desk.get_text(&format!("{BATCHES}/{}/file.xml", ids::Uuid::now_v7())).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    desk.prove().await;
    desk.stop().await;
}

/// The cells of a column, without its header.
fn column(sheet: &Range<Data>, name: &str) -> Vec<String> {
    let header = sheet.rows().next().expect("a header");
    let at = header
        .iter()
        .position(|cell| matches!(cell, Data::String(text) if text == name))
        .unwrap_or_else(|| panic!("no {name}"));
    sheet.rows().skip(1).map(|row| row[at].to_string()).collect()
}

#[tokio::test]
async fn a_workbook_of_statements_has_every_line_and_each_opens_its_orders() {
    let mut desk = Desk::open_with(paying()).await;
    let streamers = [StreamerId::now(), StreamerId::now(), StreamerId::now()];
    for (streamer, fen) in streamers.iter().zip([1_000, 20, 7]) {
        desk.orders.append(delivered(*streamer, fen * COINS_PER_FEN, 0, 1));
    }
    for streamer in streamers {
        finish(&desk, streamer, 1).await;
    }
    let day = day_of(1);
    let query = format!("from={day}&to={day}");
    let (status, bytes) = desk.get_bytes(&format!("/v1/finance/statements.xlsx?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&bytes));
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes.clone())).expect("a workbook");
    let statements = book.worksheet_range("Statements").expect("the sheet");
    let lines = book.worksheet_range("Lines").expect("the sheet");
    let listed = desk.get(&format!("/v1/finance/statements?{query}")).await;
    let listed = listed["statements"].as_array().expect("a list").clone();
    let payable: i64 = listed.iter().map(|row| row["payable_minor"].as_i64().expect("minor units")).sum();
    // 1,027 fen are CNY 10.27; the total stands in the last row.
    assert_eq!((payable, column(&statements, "payable_cny").last()), (1_027, Some(&"10.27".to_owned())));
    assert_eq!(column(&lines, "net_cny").last(), Some(&"10.27".to_owned()));
    assert_eq!((statements.height(), lines.height()), (5, 5), "a header, three rows, and the totals");
    let ids: Vec<String> =
        listed.iter().map(|row| row["payee_id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(column(&statements, "payee_id")[..3], ids[..]);
    let formulas = book.worksheet_formula("Lines").expect("the sheet");
    let links: Vec<&String> = formulas.used_cells().map(|(_, _, formula)| formula).collect();
    assert_eq!(links.len(), 3);
    let start = "https://finance.example/v1/finance/statements/";
    assert!(
        links.iter().all(|link| link.contains(start) && link.contains("/orders?payee=streamer")),
        "{links:?}"
    );
    let (_, again) = desk.get_bytes(&format!("/v1/finance/statements.xlsx?{query}")).await;
    assert!(again == bytes, "the same statements make the same bytes");
    let (status, text) = desk.get_text(&format!("/v1/finance/statement-lines.csv?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let rows: Vec<&str> = text.lines().collect();
    let header: Vec<&str> = rows[0].split(',').collect();
    let version = header.iter().position(|name| *name == "contract_version").expect("the column");
    assert_eq!(rows.len(), 4, "a header and three lines:\n{text}");
    for row in &rows[1..] {
        assert_eq!(row.split(',').nth(version), Some("-1"), "the default contract's");
        assert!(row.contains(start) && row.contains("/orders?payee=streamer"), "{row}");
    }
    desk.prove().await;
    desk.stop().await;
}
