// Own history: the wallet's entries, newest first. Each line opens the order and every entry that belongs to it.

import { call } from "./api.js";
import { gift } from "./gifts.js";
import { change, coins } from "./money.js";
import { element, outcomeWords, say } from "./words.js";

const KINDS = {
  recharge: "Recharge",
  bonus: "Bonus",
  compensation: "Compensation",
  debit: "Gift",
  hold_place: "Set aside",
  hold_capture: "Gift from coins set aside",
  hold_release: "Set aside coins back",
  hold_expire: "Set aside coins back (expired)",
  refund: "Refund",
  withdraw: "Withdrawn",
  expire: "Promotional coins expired",
  freeze: "Account frozen",
  unfreeze: "Account open again",
};

const STATES = {
  accepted: "Paid; the room is about to see it",
  delivered: "Delivered: the room saw it",
  refunding: "Not shown: coins are coming back",
  refunded: "Refunded",
  returned_undelivered: "Not shown: coins came back",
  refunded_delivered: "Refunded",
  refused: "Refused: nothing was charged",
};

const WHEN = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const entries = new Map(); // request id → entry

/** Loads one page into `list`, older than `beforeSeq` if given. Gives where the next page begins, if there is one. */
export async function loadHistory(list, beforeSeq) {
  const limit = Number(list.dataset.limit);
  const query = beforeSeq ? `&before_seq=${beforeSeq}` : "";
  const { entries: loaded, next_before_seq: next } = await call("GET", `/v1/wallet/entries?limit=${limit}${query}`);
  for (const entry of loaded) entries.set(entry.request_id, entry);
  const lines = loaded.map(line);
  if (beforeSeq) {
    list.append(...lines);
  } else {
    const open = new Set([...list.querySelectorAll("details[open]")].map((line) => line.dataset.request));
    list.replaceChildren(...lines);
    for (const details of list.querySelectorAll("details")) details.open = open.has(details.dataset.request);
  }
  return next;
}

function title(entry) {
  if (entry.gift_id !== undefined) {
    const sent = gift(entry.gift_id);
    return `${sent.glyph} ${sent.name} ×${coins(entry.quantity)}`;
  }
  return KINDS[entry.kind] || entry.kind;
}

function moved(entry) {
  return entry.paid_coins + entry.promo_coins;
}

function line(entry) {
  const item = element("li");
  const details = element("details", entry.outcome === "accepted" ? "" : "refused");
  details.dataset.request = entry.request_id;
  const summary = element("summary");
  summary.append(element("span", "history-what", title(entry)));
  summary.append(element("span", "history-coins number", entry.outcome === "accepted" ? change(moved(entry)) : "refused"));
  const time = element("time", "muted", WHEN.format(new Date(entry.decided_at)));
  time.dateTime = entry.decided_at;
  summary.append(time);
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) open(details, entry);
  });
  item.append(details);
  return item;
}

/** The order an entry belongs to: a gift's own id, or the origin of its refund. */
function orderOf(entry) {
  if (entry.gift_id !== undefined) return entry.request_id;
  return entry.kind === "refund" ? entry.origin_id : undefined;
}

async function open(details, entry) {
  const body = element("div", "history-body");
  details.append(body);
  const orderId = orderOf(entry);
  if (orderId) {
    const order = element("div", "history-order");
    order.textContent = "Asking for the order…";
    body.append(order);
    try {
      order.replaceChildren(facts(orderFacts(await call("GET", `/v1/gift-orders/${orderId}`))));
    } catch (error) {
      order.textContent = say(error);
      details.addEventListener("toggle", () => body.remove(), { once: true }); // Opened again, it asks again.
    }
  }
  const related = [...entries.values()].filter((other) => other === entry || (orderId && orderOf(other) === orderId));
  related.sort((one, other) => one.seq - other.seq);
  body.append(element("h3", "", related.length > 1 ? "Entries" : "Entry"));
  for (const one of related) body.append(facts(entryFacts(one)));
}

function orderFacts(order) {
  const funds = (paid, promo) => `${coins(paid)} paid, ${coins(promo)} promotional`;
  return [
    ["Order", order.order_id],
    ["State", STATES[order.state] || outcomeWords(order.state || order.outcome)],
    order.state === "refused" ? ["Reason", outcomeWords(order.outcome)] : null,
    order.charge_coins === undefined ? null : ["Charge", `${coins(order.charge_coins)} coins`],
    order.paid_coins === undefined ? null : ["From", funds(order.paid_coins, order.promo_coins)],
    order.combo ? ["Combo", `×${order.combo.count}`] : null,
    ...(order.reveals || []).map((reveal) => {
      return ["Inside", `${gift(reveal.gift_id).name} ×${reveal.count}, worth ${coins(reveal.value_coins)} each`];
    }),
  ].filter(Boolean);
}

function entryFacts(entry) {
  const both = (funds, show) => `${show(funds.paid_coins)} paid, ${show(funds.promo_coins)} promotional`;
  return [
    ["Entry", `No. ${coins(entry.seq)}, ${KINDS[entry.kind] || entry.kind}`],
    entry.outcome === "accepted" ? null : ["Outcome", outcomeWords(entry.outcome)],
    ["Change", both(entry, change)],
    ["After", both(entry.after, coins)],
    ["Request", entry.request_id],
  ].filter(Boolean);
}

function facts(pairs) {
  const list = element("dl", "facts");
  for (const [name, value] of pairs) list.append(element("dt", "", name), element("dd", "", value));
  return list;
}
