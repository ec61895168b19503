//! `docs/asyncapi.json`: generated from the types that are on the wire, and compared with the file here.
//!
//! `LARGESSE_TEST_WRITE_DOCS=1` writes the file anew; the change then shows in the diff.

use crate::examples;
use contracts::entry::Entry;
use contracts::item::Item;
use contracts::lane::Lane;
use contracts::log::{
    BatchMessage, EpochStart, HeadMark, LogName, LogRow, MarksMessage, SCHEMA_VERSION, Stamp, Stretch,
};
use contracts::order::Order;
use contracts::payment::Payment;
use contracts::payout::Payout;
use contracts::topology::{Exchange, QUEUE_HEADER, REASON_HEADER, routing_key};
use contracts::voucher::Voucher;
use ids::PartitionGroup;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use utoipa::OpenApi;

/// The rules of consuming, for people.
const RULES: &str = include_str!("consuming.md");

#[derive(OpenApi)]
#[openapi(components(schemas(
    Stamp,
    EpochStart,
    HeadMark,
    MarksMessage,
    BatchMessage<Payment>,
    BatchMessage<Entry>,
    BatchMessage<Order>,
    BatchMessage<Item>,
    BatchMessage<Payout>,
    BatchMessage<Voucher>,
    Stretch<Payment>,
    Stretch<Entry>,
    Stretch<Order>,
    Stretch<Item>,
    Stretch<Payout>,
    Stretch<Voucher>,
    Payment,
    Entry,
    Order,
    Item,
    Payout,
    Voucher,
)))]
struct Words;

/// What a log's rows are called in the document.
fn row_name(log: LogName) -> &'static str {
    match log {
        LogName::Payments => "Payment",
        LogName::Entries => "Entry",
        LogName::Orders => "Order",
        LogName::Items => "Item",
        LogName::Payouts => "Payout",
        LogName::Vouchers => "Voucher",
    }
}

fn meaning(log: LogName) -> &'static str {
    match log {
        LogName::Payments => "What payment channels told us, once each.",
        LogName::Entries => "One entry per decided wallet command, refusals included.",
        LogName::Orders => "How each accepted gift ended, and what came back later.",
        LogName::Items => "One item per delivered order; one more per refund of a delivered order.",
        LogName::Payouts => "What became of each payee's money, from the end of its hold to the bank.",
        LogName::Vouchers => "Balanced accounting documents, netted per rule, day, partition and range.",
    }
}

/// An example as it is on the wire.
fn example_of(log: LogName) -> Value {
    fn batch<R: LogRow>(row: R) -> Value {
        json!({ "batch": examples::batch(row) })
    }
    match log {
        LogName::Payments => batch(examples::payment()),
        LogName::Entries => batch(examples::entry()),
        LogName::Orders => batch(examples::order()),
        LogName::Items => batch(examples::item()),
        LogName::Payouts => batch(examples::payout()),
        LogName::Vouchers => batch(examples::voucher()),
    }
}

fn tagged(tag: &str, schema: &str) -> Value {
    json!({
        "type": "object",
        "required": [tag],
        "additionalProperties": false,
        "properties": { tag: { "$ref": format!("#/components/schemas/{schema}") } },
    })
}

fn example(name: &str, payload: &impl Serialize) -> Value {
    json!([{ "name": name, "payload": payload }])
}

/// The two messages of a log, by their names in the document.
fn messages(log: LogName) -> [(String, Value); 2] {
    let (name, row) = (log.as_str(), row_name(log));
    let (batch, marks) = (format!("{name}.batch"), format!("{name}.marks"));
    let of_batch = json!({
        "name": batch,
        "title": format!("Committed rows of {name}"),
        "summary": meaning(log),
        "contentType": "application/json",
        "payload": tagged("batch", &format!("BatchMessage_{row}")),
        "examples": example("a batch of one row", &example_of(log)),
    });
    let of_marks = json!({
        "name": marks,
        "title": format!("Heads of {name}"),
        "summary": "How far each partition is, once a second from each writer.",
        "contentType": "application/json",
        "payload": tagged("marks", "MarksMessage"),
        "examples": example("one head", &json!({ "marks": examples::marks(log) })),
    });
    [(batch, of_batch), (marks, of_marks)]
}

/// Where a log's messages are.
fn channel(log: LogName) -> Value {
    let name = log.as_str();
    let exchange = format!("{{lane}}{name}.g{{generation}}");
    json!({
        "address": format!("{exchange}/{{group}}"),
        "title": name,
        "description": meaning(log),
        "parameters": {
            "lane": {
                "description": "Empty for live traffic; `shadow_<run>_` for a shadow run.",
                "default": "",
            },
            "group": {
                "description": "The routing key: partitions 8g to 8g + 7 are group g.",
                "enum": PartitionGroup::all().map(routing_key).collect::<Vec<_>>(),
            },
            "generation": {
                "description": "The bus generation: 1, and one more after each promotion of a database.",
                "default": "1",
            },
        },
        "messages": {
            "batch": { "$ref": format!("#/components/messages/{name}.batch") },
            "marks": { "$ref": format!("#/components/messages/{name}.marks") },
        },
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": { "name": exchange, "type": "direct", "durable": true, "autoDelete": false },
            "bindingVersion": "0.3.0",
        } },
    })
}

/// The whole document.
fn document() -> Value {
    let (mut channels, mut operations, mut all_messages) = (Map::new(), Map::new(), Map::new());
    for log in LogName::ALL {
        all_messages.extend(messages(log));
        channels.insert(log.as_str().to_owned(), channel(log));
        let operation = json!({
            "action": "receive",
            "channel": { "$ref": format!("#/channels/{log}") },
            "summary": format!("Read {log}, every row once and in order."),
            "bindings": { "amqp": { "ack": true, "bindingVersion": "0.3.0" } },
        });
        operations.insert(format!("read-{log}"), operation);
    }
    let words = serde_json::to_value(Words::openapi()).expect("JSON");
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Largesse: the logs",
            "version": SCHEMA_VERSION.to_string(),
            "description": RULES,
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": all_messages, "schemas": words["components"]["schemas"] },
    })
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi.json")
}

#[test]
fn the_document_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
    if std::env::var_os("LARGESSE_TEST_WRITE_DOCS").is_some() {
        std::fs::write(path(), &text).expect("written");
    }
    let written = std::fs::read_to_string(path()).expect("docs/asyncapi.json is there");
    let differs = written.lines().zip(text.lines()).position(|(old, new)| old != new);
    assert!(
        written == text,
        "docs/asyncapi.json is stale from line {:?} on; LARGESSE_TEST_WRITE_DOCS=1 writes it anew",
        differs.map(|line| line + 1)
    );
}

/// Every reference of a document leads somewhere.
fn assert_references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = to.strip_prefix('#').expect("a reference within the document");
                assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
            }
            fields.values().for_each(|value| assert_references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_references(document, item)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_example_has_the_fields_its_schema_asks_for() {
    let document = document();
    assert_references(&document, &document);
    for log in LogName::ALL {
        let schema = &document["components"]["schemas"][row_name(log)];
        let row = &example_of(log)["batch"]["stretches"][0]["rows"][0];
        let fields = row.as_object().expect("a row");
        let known = schema["properties"].as_object().unwrap_or_else(|| panic!("{log}: {schema}"));
        for field in fields.keys() {
            assert!(known.contains_key(field), "{log}: {field} is in the example and not in the schema");
        }
        for needed in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(needed.as_str().expect("a name")), "{log}: {needed} is missing");
        }
    }
}

#[test]
fn the_document_names_what_is_declared_on_the_broker() {
    let exchange = Exchange::new(&Lane::Live, LogName::Entries.as_str(), 1);
    let group = PartitionGroup::try_from(3).expect("it exists");
    for name in [exchange.as_str(), &exchange.queue("settlement.items", group), REASON_HEADER, QUEUE_HEADER] {
        assert!(RULES.contains(&format!("`{name}`")), "{name} is not in the rules");
    }
    assert_eq!(exchange.dead_letters(), format!("{}.dead", exchange.as_str()));
    let declared = &document()["channels"]["wallet.entries"]["bindings"]["amqp"]["exchange"]["name"];
    let named = declared.as_str().expect("a name").replace("{lane}", "").replace("{generation}", "1");
    assert_eq!(named, exchange.as_str());
}

#[test]
fn a_writer_of_another_consumer_finds_every_rule_in_the_document() {
    for rule in [
        "offset",
        "gap",
        "twice",
        "epoch",
        "fork",
        "generation",
        "schema_version",
        "closed_until",
        "/internal/logs/",
        "shadow",
    ] {
        assert!(RULES.contains(rule), "nothing is said of {rule}");
    }
}
