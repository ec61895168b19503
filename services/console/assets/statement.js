// One payee's day: lines by contract, and each line's orders, down to the gift.

import { asked, at, fill, link, micros, minor, row, shortId, show, stateBadge, wholeCoins, words, facts } from "./desk.js";
import { read } from "./exact.js";
import { element } from "./words.js";

/** The most orders that the API gives at once. */
const PAGE_LEN = 500;

const { payeeId, day } = at("statement-page").dataset;
const payee = asked.get("payee") || "streamer";
const path = `/v1/finance/statements/${encodeURIComponent(payeeId)}/${encodeURIComponent(day)}`;

function showDay(statement) {
  at("statement").replaceChildren(
    facts([
      ["Payee", `${words(statement.payee)} ${statement.payee_id}`],
      ["Day", statement.day],
      ["State", stateBadge(statement.status)],
      ["Gifts", micros(statement.gross_micro)],
      ["Share", micros(statement.share_micro)],
      ["Taken back by refunds", micros(statement.clawback_micro)],
      ["Carried in", micros(statement.carry_in_micro)],
      ["Payable", element("strong", "", minor(statement.payable_minor))],
      ["Carried on", micros(statement.carry_out_micro)],
    ]),
  );
}

function contractWords(version) {
  return version < 0 ? `default, version ${-version}` : `version ${version}`;
}

let orders = [];

async function showOrders(line, after) {
  if (!after) orders = [];
  at("orders-card").hidden = false;
  const streamer = shortId(line.streamer_id).textContent;
  at("orders-title").textContent = `Orders of streamer ${streamer}, contract ${contractWords(line.contract_version)}`;
  const query = { payee, streamer_id: line.streamer_id, contract_version: String(line.contract_version), ...after };
  await show("orders", () => read(`${path}/orders`, query), (page) => {
    orders = [...orders, ...page.orders];
    const last = page.orders.at(-1);
    at("more-orders").hidden = page.orders.length < PAGE_LEN;
    at("more-orders").onclick = () => showOrders(line, { after_partition: String(last.partition), after_seq: String(last.seq) });
    return fill("orders", orders.map(orderRow), "The line has no order.");
  });
  if (!after) at("orders-title").focus();
}

function orderRow(order) {
  const way = link(`/finance/orders/${order.order_id}`, order.order_id, "id");
  return row({ head: way }, words(order.kind), order.day, { number: wholeCoins(order.paid_coins) }, { number: wholeCoins(order.promo_coins) }, { number: micros(order.earned_micro) });
}

function lineRow(line) {
  const open = element("button", "link", contractWords(line.contract_version));
  open.type = "button";
  open.setAttribute("aria-label", `Orders by contract ${contractWords(line.contract_version)}`);
  open.addEventListener("click", () => showOrders(line));
  return row(
    { head: shortId(line.streamer_id) },
    open,
    { number: micros(line.gross_micro) },
    { number: micros(line.share_micro) },
    { number: micros(line.clawback_micro) },
    { number: wholeCoins(line.settled_count) },
    { number: wholeCoins(line.reversed_count) },
  );
}

show("statement", () => read(`/v1/statements/${encodeURIComponent(payeeId)}/${encodeURIComponent(day)}`, { payee }), showDay);
show("lines", () => read(`${path}/lines`, { payee }), ({ lines }) => fill("lines", lines.map(lineRow), "Nothing was earned on this day."));
