// Statements of some days; each opens its lines.

import { asked, at, fill, keepFields, link, micros, minor, pages, row, shortId, show, wholeCoins } from "./desk.js";
import { address, read } from "./exact.js";

const PAGE_LEN = 100;
const { from, to } = at("span").dataset;

const query = {
  payee: asked.get("payee") || "streamer",
  payee_id: asked.get("payee_id"),
  from: asked.get("from") || from,
  to: asked.get("to") || to,
};

function statementRow(statement) {
  const path = address(`/finance/statements/${statement.payee_id}/${statement.day}`, { payee: statement.payee });
  const orders = `${wholeCoins(statement.settled_count)}${BigInt(statement.reversed_count) === 0n ? "" : ` − ${wholeCoins(statement.reversed_count)}`}`;
  return row(
    { head: link(path, statement.day) },
    shortId(statement.payee_id),
    { number: micros(statement.gross_micro) },
    { number: micros(statement.share_micro) },
    { number: micros(statement.clawback_micro) },
    { number: orders },
    { number: minor(statement.payable_minor) },
    statement.is_released ? "released" : "on hold",
  );
}

keepFields(at("span"));
for (const format of ["csv", "xlsx"]) at(format).href = address(`/v1/finance/statements.${format}`, query);
at("lines-csv").href = address("/v1/finance/statement-lines.csv", query);
show(
  "statements",
  () => read("/v1/finance/statements", { ...query, after_day: asked.get("after_day"), after_payee_id: asked.get("after_payee_id"), limit: PAGE_LEN }),
  ({ statements }) => {
    const last = statements.length === PAGE_LEN ? statements.at(-1) : null;
    pages({ after_day: null, after_payee_id: null }, last && { after_day: last.day, after_payee_id: last.payee_id });
    const total = (name) => statements.reduce((sum, one) => sum + BigInt(one[name]), 0n);
    const totals = row({ head: "This page" }, "", { number: micros(total("gross_micro")) }, { number: micros(total("share_micro")) }, { number: micros(total("clawback_micro")) }, { number: wholeCoins(total("settled_count")) }, { number: minor(total("payable_minor")) }, "");
    return fill("statements", statements.map(statementRow), "No statement of these days is final yet.", [totals]);
  },
);
