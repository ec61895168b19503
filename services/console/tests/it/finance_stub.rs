//! What finance's services answer, as the pages see it: one of each, in the shapes of the API. It proves nothing about
//! money; the same pages run against the real thing elsewhere.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use edge::{FinanceReader, Json, Problem};
use serde_json::{Value, json};

/// Every page of finance.
pub const PAGES: [&str; 21] = [
    "/finance",
    "/finance/breaks",
    "/finance/breaks/0192f000-0000-7000-8000-000000000001",
    "/finance/approvals",
    "/finance/suspense",
    "/finance/trial-balance",
    "/finance/journal",
    "/finance/journal/3-17",
    "/finance/orders/0192f000-0000-7000-8000-000000000002",
    "/finance/roll-forward",
    "/finance/settlements",
    "/finance/statements",
    "/finance/statements/0192f000-0000-7000-8000-000000000003/2026-11-20",
    "/finance/payouts",
    "/finance/payouts/0192f000-0000-7000-8000-000000000004",
    "/finance/refunds",
    "/finance/close",
    "/finance/runs",
    "/finance/runs/0192f000-0000-7000-8000-000000000005",
    "/finance/rules",
    "/finance/audit",
];

pub const BREAK: &str = "0192f000-0000-7000-8000-000000000001";
pub const ORDER: &str = "0192f000-0000-7000-8000-000000000002";
pub const PAYEE: &str = "0192f000-0000-7000-8000-000000000003";
pub const BATCH: &str = "0192f000-0000-7000-8000-000000000004";
pub const RUN: &str = "0192f000-0000-7000-8000-000000000005";
const MAKER: &str = "0192f000-0000-7000-8000-00000000000a";
const DAY: &str = "2026-11-20";
const AT: &str = "2026-11-20T06:40:00Z";
/// More than a number of a browser holds exactly.
const LONG_MICRO: i64 = 9_007_199_254_740_993;

/// The routes. One handler, because what differs is only what is said.
pub fn routes() -> Router {
    Router::new().route("/v1/finance/{*rest}", any(answer)).route("/v1/statements/{payee}/{day}", any(answer))
}

async fn answer(_reader: FinanceReader, request: Request) -> Result<Response, Problem> {
    let path = request.uri().path().to_owned();
    if request.uri().query().is_some_and(|query| query.contains("severity=awful")) {
        return Err(Problem::rejected("field-invalid", "Severity: unknown variant `awful`."));
    }
    if path.ends_with("/report") {
        return Ok("Day 2026-11-20\nmatched 41,233 of 41,236\n".into_response());
    }
    let found =
        [work(&path), books(&path), payees(&path), runs(&path), control(&path)].into_iter().flatten().next();
    found
        .map(|body| Json(body).into_response())
        .ok_or_else(|| Problem::not_found("no-such-address", "Nothing is served at this address."))
}

fn a_break(number: i64, state: &str, severity: &str) -> Value {
    let mut found = json!({
        "break_id": format!("{}{number:03}", &BREAK[..33]), "break_no": 4_200 + number, "kind": "amount_mismatch",
        "state": state, "logs": "entries_orders", "partition": 17, "minute": 29_000_000, "order_id": ORDER,
        "coins": 1_200 * number, "evidence": {}, "detected_at": AT, "version": 3, "severity": severity,
        "due_at": if number % 2 == 0 { "2026-11-20T08:40:00Z" } else { "2099-01-01T00:00:00Z" },
    });
    if state != "open" {
        found["assignee_id"] = json!(MAKER);
    }
    found
}

fn detail() -> Value {
    let stamp = |seq| {
        json!({ "partition": 17, "seq": seq, "epoch": 2, "decided_at": AT, "minute": 29_000_000,
        "day": DAY, "origin_seq": 0 })
    };
    let row = |seq, coins| {
        json!({ "stamp": stamp(seq), "order_id": ORDER, "viewer_id": PAYEE, "paid_coins": coins,
        "promo_coins": 0, "quantity": 1 })
    };
    let step = |seq, act, body| {
        json!({ "seq": seq, "at": AT, "actor": if seq == 1 { "recon" } else { MAKER },
        "act": act, "subject": BREAK, "body": body, "hash": "5c".repeat(32) })
    };
    json!({
        "break": a_break(1, "proposed", "high"),
        "before": { "log": "wallet.entries", "recorded": { "seq": 4, "paid_coins": 1_200 }, "row": row(4, 1_200) },
        "after": { "log": "gift.orders", "recorded": { "seq": 9, "paid_coins": 1_199 }, "row": row(9, 1_199) },
        "comments": [{ "comment_no": 1, "author_id": MAKER, "text": "One coin less <b>than paid</b>.", "said_at": AT }],
        "proposals": [{
            "proposal_id": "0192f000-0000-7000-8000-00000000000b", "maker_id": MAKER, "reason": "The viewer lost a coin.",
            "action": { "action": "grant_coins", "viewer_id": PAYEE, "funds": { "paid_coins": 0, "promo_coins": 1 } },
            "digest": "ab".repeat(32), "proposed_at": AT,
        }],
        "history": [
            step(3, "proposed", json!({ "reason": "The viewer lost a coin." })),
            step(2, "assigned", json!({ "assignee_id": MAKER, "reason": "<script>alert(1)</script>" })),
            step(1, "detected", json!({ "kind": "amount_mismatch", "coins": 1_200 })),
        ],
        "may_propose": { "actions": ["grant_coins", "write_off", "wait"], "write_off_coins_max": 100_000,
            "grant_coins_max": 1_000_000, "wait_days_max": 10 },
    })
}

fn work(path: &str) -> Option<Value> {
    let group = |kind, severity, age, count, overdue, coins| {
        json!({ "kind": kind, "severity": severity, "state": "open", "age": age, "count": count,
            "overdue_count": overdue, "coins": coins, "amount_minor": 0 })
    };
    if path.strip_prefix("/v1/finance/breaks/").is_some() {
        return Some(detail());
    }
    Some(match path {
        "/v1/finance/breaks" => json!({
            "breaks": [a_break(4, "open", "critical"), a_break(3, "assigned", "high"), a_break(2, "open", "medium"),
                a_break(1, "proposed", "low")],
            "next_before": 4_201, "not_closed_count": 10_000,
        }),
        "/v1/finance/proposals" => {
            json!({ "proposals": [{ "break": a_break(1, "proposed", "high"), "proposal": detail()["proposals"][0] }],
                "waiting_count": 41 })
        }
        "/v1/finance/break-ages" => json!({ "as_of": AT, "groups": [
            group("amount_mismatch", "critical", "over-30", 12, 12, 9_400_000),
            group("amount_mismatch", "low", "0-1", 7_310, 0, 731_000),
            group("missing_order", "high", "4-7", 310, 44, 1_870_000),
            group("missing_voucher", "medium", "2-3", 2_368, 3, 2_368_000),
        ] }),
        "/v1/finance/today" => json!({ "day": DAY, "files": [
                { "scope": "trades", "channel": "wechat", "expected": true, "arrived": 1, "state": "arrived" },
                { "scope": "trades", "channel": "alipay", "expected": true, "arrived": 0, "state": "missing" },
            ], "match_rate_count_ppm": 999_927, "match_rate_amount_ppm": 999_801, "open_breaks": 10_000,
            "overdue_breaks": 59, "cash_at_risk_minor": 123_456_700, "at_risk_coins": 14_369_000 }),
        "/v1/finance/audit/breaks" => json!({ "steps": detail()["history"] }),
        "/v1/finance/audit/breaks/verification" => {
            json!({ "rows": 41_233, "head": format!("41233:{}", "5c".repeat(32)), "fault": null, "unexplained": [] })
        }
        path if path.starts_with("/v1/finance/explanations/") => {
            json!({ "about": "payment", "why": "Matched by its reference.",
            "ours": [{ "payment_id": ORDER, "channel": "wechat", "channel_payment_id": "w-17", "paid_day": DAY,
                "amount_minor": 3_000, "currency": "CNY" }],
            "theirs": [{ "row_id": format!("{BATCH}:7"), "channel": "wechat", "kind": "payment", "status": "success",
                "day": DAY, "amount_minor": 3_000, "currency": "CNY" }],
            "matches": [{ "channel": "wechat", "day": DAY, "pass": "exact", "rules_version": 1, "variance_minor": 0,
                "amount_minor": 3_000, "currency": "CNY" }],
            "breaks": [a_break(3, "closed", "low")] })
        }
        _ => return None,
    })
}

fn voucher(seq: i64) -> Value {
    json!({
        "voucher_id": format!("17-{seq}"), "posted_day": DAY, "day": DAY, "rule": "gift", "source": "settlement.items",
        "from_seq": 1, "to_seq": 900, "row_count": 870, "coins": 1_040_000, "decided_at": AT, "amount_micro": LONG_MICRO,
        "postings": [
            { "account": "2206", "name": "Gift clearing", "debit_micro": LONG_MICRO, "credit_micro": 0 },
            { "account": "6001", "name": "Gift revenue", "debit_micro": 0, "credit_micro": LONG_MICRO },
        ],
    })
}

fn books(path: &str) -> Option<Value> {
    let roll = |day, opening: i64, closing: i64| {
        let account = json!({ "account": "2205.01", "name": "Contract liability: paid coins",
            "opening_micro": opening, "credited_micro": closing - opening + 40_000_000_000_i64,
            "spent_micro": 40_000_000_000_i64, "returned_micro": 0, "withdrawn_micro": 0, "expired_micro": 0,
            "other_micro": 0, "closing_micro": closing, "difference_micro": 0 });
        json!({ "day": day, "opening_micro": opening, "credited_micro": closing - opening + 40_000_000_000_i64,
            "spent_micro": 40_000_000_000_i64, "returned_micro": 0, "withdrawn_micro": 0, "expired_micro": 0,
            "other_micro": 0, "closing_micro": closing, "accounts": [account] })
    };
    if path.strip_prefix("/v1/finance/journal/").is_some() {
        return Some(json!({ "voucher": voucher(4_211), "rows": [
            { "seq": 4, "kind": "settled", "coins": 1_200, "order_id": ORDER, "owner_id": PAYEE, "reference": "",
                "parts": [{ "component": "paid", "amount_micro": 12_000_000_000_i64 }] },
        ], "next": 4 }));
    }
    Some(match path {
        "/v1/finance/journal" => {
            json!({ "vouchers": [voucher(4_211), voucher(4_212)], "next": "2026-11-20_17-4212" })
        }
        "/v1/finance/roll-forward" => json!({ "days": [
            roll("2026-11-18", 0, 90_000_000_000), roll("2026-11-19", 90_000_000_000, 250_000_000_000),
            roll("2026-11-20", 250_000_000_000, 180_000_000_000),
        ] }),
        _ => return None,
    })
}

fn payees(path: &str) -> Option<Value> {
    let statement = json!({
        "payee": "streamer", "payee_id": PAYEE, "day": DAY, "status": "final", "gross_micro": LONG_MICRO,
        "share_micro": 5_000_000_000_i64, "clawback_micro": -1_000_000_000_i64, "settled_count": 12, "reversed_count": 1,
        "carry_in_micro": 1, "payable_minor": 4_000, "carry_out_micro": 1, "is_released": false,
    });
    let batch = json!({
        "batch_id": BATCH, "state": "built", "day": DAY, "currency": "CNY", "line_count": 1, "gross_minor": 1_000_000,
        "tax_minor": 9_000, "net_minor": 991_000, "lines_hash": "cd".repeat(32), "built_by": MAKER, "built_at": AT,
    });
    let line = json!({ "line": 1, "line_id": RUN, "state": "built", "payee": "streamer", "payee_id": PAYEE,
        "gross_minor": 1_000_000, "tax_minor": 9_000, "net_minor": 991_000, "rule_id": 1, "holder": "Ann",
        "account_no": "6222020200112233445", "bank_code": "ICBKCNBJ" });
    let contract_line = |version| {
        json!({ "streamer_id": PAYEE, "contract_version": version, "gross_micro": LONG_MICRO,
        "share_micro": 5_000_000_000_i64, "clawback_micro": 0, "settled_count": 12, "reversed_count": 0 })
    };
    let order = json!({ "order_id": ORDER, "kind": "settled", "day": DAY, "paid_coins": 1_200, "promo_coins": 0,
        "earned_micro": 5_000_000_000_i64, "partition": 17, "seq": 4 });
    Some(match path {
        path if path.ends_with("/lines") => json!({ "lines": [contract_line(2), contract_line(-1)] }),
        path if path.ends_with("/orders") => json!({ "orders": [order] }),
        path if path.starts_with("/v1/statements/") => statement,
        "/v1/finance/statements" => json!({ "statements": [statement] }),
        "/v1/finance/payout-batches" => json!({ "batches": [batch] }),
        path if path.starts_with("/v1/finance/payout-batches/") => json!({ "batch": batch, "lines": [line] }),
        "/v1/finance/payout-requests" => json!({ "requests": [
            { "request_id": RUN, "payee": "streamer", "payee_id": PAYEE, "amount_minor": 1_000_000, "state": "open" },
        ] }),
        "/v1/finance/payee-accounts" => json!({ "accounts": [
            { "account_id": RUN, "payee": "agency", "payee_id": PAYEE, "holder": "Star agency", "account_no": "6222",
                "bank_code": "ICBKCNBJ", "created_by": MAKER },
        ] }),
        path if path.starts_with("/v1/finance/payees/") => json!({ "payee": "streamer", "payee_id": PAYEE,
            "pending_micro": 5, "available_minor": 100, "requested_minor": 0, "in_flight_minor": 0, "paid_minor": 7,
            "withheld_minor": 1, "receivable_minor": 0 }),
        _ => return None,
    })
}

fn runs(path: &str) -> Option<Value> {
    let run = |id: &str, hash: &str| {
        json!({ "run_id": id, "day": DAY, "state": "done", "step": "done", "steps_done": 66, "steps_total": 66,
            "rows_done": 9_000, "rows_total": 9_000, "requested_by": MAKER, "requested_at": AT, "started_at": AT,
            "ended_at": AT, "report_sha256": hash, "attempts": 0, "matched_count": 41_233, "matched_minor": 12_345_678,
            "unmatched_ours": 2, "unmatched_theirs": 1, "differences": 3, "channels": [
                { "scope": "channel", "channel": "wechat", "has_file": true, "rules_version": 1, "ours_count": 41_235,
                    "theirs_count": 41_234, "matched_count": 41_233, "matched_minor": 12_345_678,
                    "ambiguous_groups": 0, "unmatched_ours": 2, "unmatched_theirs": 1, "variance_minor": -600 },
            ] })
    };
    Some(match path {
        "/v1/finance/channel-settlements" => {
            let row = |no: i64, turn: i32, about: &str, gross: i64, net: i64, voucher: Option<&str>| {
                json!({ "settlement_no": no, "match_id": RUN, "turn": turn, "channel": "wechat", "about": about,
                    "run_day": DAY, "day": DAY, "payments": 41_233, "gross_minor": gross, "fee_minor": gross - net,
                    "net_minor": net, "currency": "CNY", "voucher_id": voucher, "posted_day": voucher.map(|_| DAY),
                    "last_error": voucher.is_none().then_some("no-such-account: the chart has no account 1002.07") })
            };
            json!({ "settlements": [
                row(4, 2, "payments", -1_234_567, -1_227_159, None),
                row(3, 1, "fees", 7_408, 0, Some("3-19")),
                row(2, 1, "withdrawals", 900_000, 900_000, Some("3-18")),
                row(1, 1, "payments", 1_234_567, 1_227_159, Some("3-17")),
            ], "next_before": null })
        }
        "/v1/finance/recon-runs" => {
            json!({ "runs": [run(RUN, &"ef".repeat(32)), run(BATCH, &"ee".repeat(32))], "next": null })
        }
        path if path.contains("/diff/") => {
            json!({ "is_equal": false, "only_in_a": ["matched 41,232 of 41,236"],
                "only_in_b": ["matched 41,233 of 41,236"] })
        }
        path if path.starts_with("/v1/finance/recon-runs/") => run(RUN, &"ef".repeat(32)),
        "/v1/finance/bills" => {
            json!({ "bills": [{ "bill_id": BATCH, "scope": "channel", "channel": "wechat", "format": "wechat-trades",
                "rows": 41_235, "bytes": 900_000, "sha256": "ee".repeat(32), "state": "imported", "period_from": DAY,
                "period_to": DAY, "imported_by": MAKER, "imported_at": AT }], "next": null })
        }
        _ => return None,
    })
}

fn control(path: &str) -> Option<Value> {
    let case = |kind, lines| {
        json!({ "case_id": RUN, "kind": kind, "state": "waiting", "reason": "He is twelve.",
        "made_by": MAKER, "made_at": AT, "line_count": lines, "done_count": 0, "failed_count": 0, "asked_coins": 5_200,
        "refunded_paid_coins": 0, "refunded_promo_coins": 0 })
    };
    let check = |name, state, figure, detail: &[&str]| json!({ "name": name, "state": state, "figure": figure, "detail": detail });
    Some(match path {
        "/v1/finance/contract-imports" => json!({ "imports": [
            { "import_id": RUN, "state": "waiting", "contract_count": 3, "created_by": MAKER, "created_at": AT },
        ] }),
        "/v1/finance/withholding-rules" => json!({ "rules": [], "proposals": [
            { "proposal_id": RUN, "state": "waiting", "reason": "The new announcement.", "created_by": MAKER, "created_at": AT,
                "rule": { "payee": "streamer", "valid_from": "2027-01-01", "name": "Announcement 61",
                    "method": { "cumulative": { "cost_ppm": 200_000, "allowance_minor": 500_000, "brackets": [
                        { "above_minor": 0, "rate_ppm": 30_000, "quick_minor": 0 },
                        { "above_minor": 3_600_000, "rate_ppm": 100_000, "quick_minor": 252_000 } ] } } } },
            { "proposal_id": BATCH, "state": "approved", "reason": "Before.", "created_by": MAKER, "created_at": AT,
                "rule": { "payee": "agency", "valid_from": "2026-01-01", "name": "A flat rate",
                    "method": { "flat": { "rate_ppm": 200_000 } } } },
        ] }),
        "/v1/finance/refunds" => json!({ "cases": [case("agent", 1)] }),
        "/v1/finance/refund-batches" => json!({ "cases": [case("file", 250)] }),
        path if path.starts_with("/v1/finance/refunds/") => {
            let mut one = case("agent", 1);
            one["lines"] = json!([{ "line": 1, "order_id": ORDER, "viewer_id": PAYEE, "streamer_id": PAYEE,
                "asked_coins": 5_200, "reason": "He is twelve.", "paid_coins": 0, "promo_coins": 0, "attempts": 0 }]);
            one
        }
        "/v1/finance/minor-cases" => json!({ "cases": [case("minor", 14)] }),
        "/v1/finance/periods" => json!({
            "periods": [{ "day": DAY, "state": "soft", "changed_at": AT }, { "day": "2026-11-19", "state": "closed",
                "changed_at": AT, "version": 1, "voucher_count": 64, "closed_at": AT }], "next": null,
            "requests": [{ "request_id": RUN, "period": DAY, "first_day": DAY, "last_day": DAY, "step": "close",
                "state": "waiting", "proposed_by": MAKER, "proposed_at": AT }],
        }),
        path if path.ends_with("/checklist") => json!({ "period": DAY, "first_day": DAY, "last_day": DAY,
            "can_close": false, "lines": [
                check("books-balance", "passed", "off by 0", &[]),
                check("critical-breaks", "blocks", "12 open", &["amount_mismatch 4204", "amount_mismatch 4201"]),
                check("bills-arrived", "unknown", "unknown: blocks", &["recon did not answer"]),
            ] }),
        path if path.ends_with("/dry-run") => json!({ "day": DAY, "old_version": 1, "new_version": 2,
            "counts": { "same": 41_233, "newly_matched": 2 }, "changes": [] }),
        "/v1/finance/matching-rules" => json!({ "rules": [
            { "scope": "channel", "version": 2, "state": "proposed", "maker_id": MAKER, "reason": "Days of the new year.",
                "proposed_at": AT, "rules": { "passes": [{ "name": "exact" }, { "name": "day-cut" }] } },
            { "scope": "channel", "version": 1, "state": "approved", "reason": "shipped", "proposed_at": AT,
                "rules": { "passes": [{ "name": "exact" }] } },
        ] }),
        _ => return None,
    })
}
