// Batches, requests, and where one payee's money stands.

import { newKey } from "./api.js";
import { asked, at, fill, isMaker, keepFields, link, made, micros, minor, onSubmit, pages, person, row, shortId, show, stateBadge, words, facts } from "./desk.js";
import { act, read } from "./exact.js";
import { microsOfText } from "./money.js";
import { element, notice } from "./words.js";

/** The most batches that the API gives at once. */
const PAGE_LEN = 200;

function batchRow(batch) {
  const money = [batch.gross_minor, batch.tax_minor, batch.net_minor].map((amount) => ({ number: minor(amount, batch.currency) }));
  return row({ head: link(`/finance/payouts/${batch.batch_id}`, shortId(batch.batch_id).textContent) }, batch.day, stateBadge(batch.state), { number: String(batch.line_count) }, ...money, person(batch.built_by));
}

const loadBatches = () =>
  show("batches", () => read("/v1/finance/payout-batches", { before: asked.get("before") }), ({ batches }) => {
    const last = batches.length === PAGE_LEN ? batches.at(-1) : null;
    pages({ before: null }, last && { before: last.batch_id });
    return fill("batches", batches.map(batchRow), "No batch was built yet.");
  });

function requestRow(request) {
  const place = made("div", "");
  if (isMaker && request.state === "open") {
    const cancel = element("button", "quiet small", "Cancel");
    cancel.type = "button";
    cancel.addEventListener("click", async () => {
      cancel.disabled = true;
      await act(`/v1/finance/payout-requests/${request.request_id}/cancel`, {}).then(loadRequests, () => notice("It could not be cancelled.", "bad"));
    });
    place.append(cancel);
  }
  const payee = made("span", "", `${words(request.payee)} `, shortId(request.payee_id));
  const state = request.batch_id ? made("span", "", stateBadge(request.state), " ", link(`/finance/payouts/${request.batch_id}`, "batch")) : stateBadge(request.state);
  return row({ head: shortId(request.request_id) }, payee, { number: minor(request.amount_minor, request.currency) }, state, place);
}

const loadRequests = () =>
  show("requests", () => read("/v1/finance/payout-requests"), ({ requests }) => fill("requests", requests.map(requestRow), "Nobody asked for a payout."));

const MONEY = [
  ["Pending", "pending_micro", micros],
  ["Available", "available_minor", minor],
  ["Asked for", "requested_minor", minor],
  ["At the bank", "in_flight_minor", minor],
  ["Paid", "paid_minor", minor],
  ["Withheld as tax", "withheld_minor", minor],
  ["Owed by the payee", "receivable_minor", minor],
];

const payeeId = asked.get("payee_id");
const loadPayee = async () => {
  if (!payeeId) return;
  await show("payee", () => read(`/v1/finance/payees/${encodeURIComponent(payeeId)}`, { payee: asked.get("payee") }), (view) => {
    at("payee").replaceChildren(facts([["Payee", `${words(view.payee)} ${view.payee_id}`], ...MONEY.map(([label, name, shown]) => [label, shown(view[name])])]));
  });
};

/** Minor units of an amount that somebody typed, as a JSON number: exact, or an error. */
function minorOfText(text) {
  const micros = microsOfText(text);
  const amount = Number(micros / 1_000_000n);
  if (micros % 1_000_000n !== 0n || !Number.isSafeInteger(amount)) throw new Error(`"${text}" is no amount in yuan and fen.`);
  return amount;
}

function setUpForms() {
  at("build-form").hidden = !isMaker;
  at("ask-card").hidden = !isMaker;
  onSubmit(at("build-form"), async () => {
    const built = await act("/v1/finance/payout-batches", { batch_id: newKey() });
    location.assign(`/finance/payouts/${(built.batch ?? built.file?.batch ?? built).batch_id ?? ""}`);
  });
  onSubmit(at("ask-form"), async (form) => {
    const amount = String(form.get("amount")).trim();
    const body = { request_id: newKey(), payee: String(form.get("payee")), payee_id: String(form.get("payee_id")).trim() };
    if (amount !== "") body.amount_minor = minorOfText(amount);
    const request = await act("/v1/finance/payout-requests", body);
    notice(`Asked for ${minor(request.amount_minor)}.`);
    await Promise.all([loadPayee(), loadRequests()]);
  });
  onSubmit(at("account-form"), async (form) => {
    const text = (name) => String(form.get(name)).trim();
    const body = { account_id: newKey(), payee: text("payee"), payee_id: text("payee_id"), holder: text("holder"), account_no: text("account_no"), bank_code: text("bank_code") };
    await act("/v1/finance/payee-accounts", body);
    at("account-form").reset();
    notice("The account waits for another person.");
  });
}

for (const form of document.querySelectorAll("form.filters")) keepFields(form);
setUpForms();
loadBatches();
loadRequests();
loadPayee();
