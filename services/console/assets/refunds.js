// Asking for refunds: of one order, of a file, of a minor's gifts. The server draws the cases; another person approves.

import "./session.js";
import { call, newKey } from "./api.js";
import { decide } from "./decide.js";
import { act, address } from "./act.js";
import { onSubmits, refreshEvery } from "./fresh.js";

/** A number of coins, or all that is left where nothing was written. */
function coinsOf(text) {
  if (text === "") return null;
  const coins = Number(text);
  if (!Number.isSafeInteger(coins) || coins <= 0) throw new Error(`"${text}" is no number of coins.`);
  return coins;
}

/** An instant by the clock of accounting days, which the form names. */
function instant(text, offset) {
  const when = new Date(`${text}${offset}`);
  if (Number.isNaN(when.getTime())) throw new Error(`"${text}" is no time.`);
  return when.toISOString();
}

/** How often a case that is open is looked at again. */
const LOOK_EVERY_MS = 5_000;

const open = (kind, { case_id }) => location.assign(address("/finance/refunds", { kind, case: case_id }));

onSubmits({
  decide: (_, { dataset: { path, body } }) => decide(path, JSON.parse(body)),
  "order-form": async (form) => {
    const text = (name) => String(form.get(name)).trim();
    const body = { request_id: newKey(), gift_order_id: text("order"), amount_coins: coinsOf(text("coins")), reason: text("reason") };
    open("order", await act("/v1/finance/refunds", body));
  },
  "minor-form": async (form, _, { dataset: { offset } }) => {
    const text = (name) => String(form.get(name)).trim();
    const period = { from: instant(text("from"), offset), to: instant(text("to"), offset) };
    open("minor", await act("/v1/finance/minor-cases", { case_id: newKey(), viewer_id: text("viewer"), ...period, reason: text("reason") }));
  },
  "file-form": async (form) => {
    const where = address("/v1/finance/refund-batches", { batch_id: newKey(), reason: String(form.get("reason")).trim() });
    open("file", await call("POST", where, { file: await form.get("file").text() }));
  },
});

if (document.querySelector("#case-card")) refreshEvery(LOOK_EVERY_MS);
