// Vouchers of some days, of one account where it is named.

import { asked, at, fill, keepFields, link, micros, pages, row, show, table, wholeCoins } from "./desk.js";
import { address, read } from "./exact.js";
import { idOf, linesOf } from "./posting-lines.js";
import { listIn } from "./shapes.js";
import { element } from "./words.js";

const PAGE_LEN = 100;
const { from, to } = at("span").dataset;

/** The days asked for; those that the page came with, where none are. */
const days = { day_from: asked.get("from") || from, day_to: asked.get("to") || to };

function linesTable(voucher) {
  const lines = linesOf(voucher).map((line) => row({ head: line.account }, { number: micros(line.debit_micro) }, { number: micros(line.credit_micro) }));
  const whole = element("details", "");
  whole.append(element("summary", "", `${lines.length} lines`), table("Lines", ["Account", "#Debit, ¥", "#Credit, ¥"], lines));
  return whole;
}

function voucherRow(voucher) {
  const id = idOf(voucher);
  const rows = voucher.row_count ?? voucher.rows ?? 0;
  return row(
    { head: link(`/finance/journal/${id}`, id) },
    voucher.posted_day ?? voucher.day,
    voucher.rule,
    voucher.source ?? "—",
    { number: wholeCoins(rows) },
    { number: wholeCoins(voucher.coins ?? 0) },
    linesTable(voucher),
  );
}

function showExports() {
  for (const format of ["csv", "xlsx", "parquet", "beancount", "hledger"]) {
    const way = link(address("/v1/finance/exports/journal", { from: days.day_from, to: days.day_to, format }), format, "quiet button small");
    way.download = "";
    at("exports").append(way);
  }
}

keepFields(document.querySelector("form.filters"));
show(
  "vouchers",
  () => read("/v1/finance/journal", { ...days, account: asked.get("account"), after: asked.get("after"), limit: PAGE_LEN }),
  (answer) => {
    const next = answer.next ?? null;
    pages({ after: null }, next === null ? null : { after: next });
    showExports();
    return fill("vouchers", listIn(answer).map(voucherRow), "No voucher was posted to these days.");
  },
);
