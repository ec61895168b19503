// One voucher: its lines, and the rows it was made of, down to the gift.

import { asked, at, fill, link, micros, pages, row, show } from "./desk.js";
import { read } from "./exact.js";
import { linesOf } from "./posting-lines.js";
import { factsOf, listOf } from "./shapes.js";

const id = at("voucher-page").dataset.id;

/** Members that have a part of the page of their own. */
const OWN = ["postings", "lines", "accounts", "debits", "credits", "sources", "source_rows", "orders", "rows", "entries", "items"];

function lineRow(line) {
  const way = link(`/finance/journal?account=${encodeURIComponent(line.account)}`, `${line.account} ${line.name ?? ""}`.trim());
  return row({ head: way }, { number: micros(line.debit_micro) }, { number: micros(line.credit_micro) });
}

function totalRow(lines) {
  const sum = (name) => lines.reduce((total, line) => total + BigInt(line[name]), 0n);
  return row({ head: "Total" }, { number: micros(sum("debit_micro")) }, { number: micros(sum("credit_micro")) });
}

function orderCell(of) {
  return of.order_id ? link(`/finance/orders/${of.order_id}`, of.order_id) : "—";
}

function showSources(voucher) {
  const named = OWN.slice(5).filter((name) => Array.isArray(voucher[name]) && voucher[name].length > 0 && typeof voucher[name][0] === "object");
  at("sources").replaceChildren(
    ...named.map((name) => {
      const cells = voucher[name].some((of) => of.order_id) ? { order_id: orderCell } : {};
      return listOf("Rows it was made of", voucher[name], cells);
    }),
  );
  at("sources-state").className = "state empty-state";
  at("sources-state").textContent = named.length === 0 ? "The answer names no rows; their range is above." : "";
}

show(
  "voucher",
  () => read(`/v1/finance/journal/${encodeURIComponent(id)}`, { after: asked.get("after") }),
  (answer) => {
    const voucher = answer.voucher ?? answer;
    const lines = linesOf(voucher);
    at("voucher").replaceChildren(factsOf(voucher, OWN));
    at("lines-state").textContent = fill("lines", lines.map(lineRow), "It has no line.", [totalRow(lines)]);
    showSources({ ...voucher, ...answer });
    const next = answer.next ?? null;
    pages({ after: null }, next === null ? null : { after: next });
  },
).then((isThere) => {
  if (!isThere) for (const part of ["lines", "sources"]) at(`${part}-state`).textContent = "";
});
