// One gift, from the books' side: what was sent, what it cost, what became of it.

import { at, facts, link, made, row, severityBadge, show, stateBadge, table, time, wholeCoins, words } from "./desk.js";
import { read } from "./exact.js";
import { factsOf } from "./shapes.js";

const id = at("order-page").dataset.id;
const gifts = new Map(JSON.parse(at("catalogue").textContent).map((gift) => [gift.gift_id, gift]));

function showOrder(order) {
  const gift = gifts.get(order.gift_id);
  const what = gift ? `${gift.glyph} ${gift.name}` : `gift ${order.gift_id ?? "—"}`;
  at("order").replaceChildren(
    facts([
      ["Order", order.order_id],
      ["State", stateBadge(order.state)],
      ["Outcome", words(order.outcome)],
      ["Gift", order.gift_id === undefined ? null : `${what} × ${order.quantity}`],
      ["Charge, coins", wholeCoins(order.charge_coins)],
      ["Of it paid, coins", wholeCoins(order.paid_coins)],
      ["Of it promotional, coins", wholeCoins(order.promo_coins)],
      ["Came back, coins", wholeCoins(order.refunded_coins ?? 0)],
      ["Viewer", order.viewer_id],
      ["Room", order.room_id ? link(`/rooms/${order.room_id}`, order.room_id) : null],
      ["Decided", time(order.decided_at)],
    ]),
  );
}

function showBreaks({ breaks }) {
  const rows = breaks.map((found) => row({ head: link(`/finance/breaks/${found.break_id}`, words(found.kind)) }, severityBadge(found.severity), stateBadge(found.state), { number: wholeCoins(found.coins) }));
  at("order-breaks").replaceChildren(...(rows.length === 0 ? [] : [table("Breaks about the order", ["Break", "Severity", "State", "#Coins"], rows)]));
  return rows.length === 0 ? "None: the logs agree on it." : "";
}

show("order", () => read(`/v1/gift-orders/${encodeURIComponent(id)}`), showOrder);
show("order-breaks", () => read("/v1/finance/breaks", { order_id: id, limit: 50 }), showBreaks);
show("explanation", () => read(`/v1/finance/explanations/${encodeURIComponent(id)}`), (answer) => {
  at("explanation").replaceChildren(made("div", "", factsOf(answer)));
});
