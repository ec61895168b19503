// Asking for refunds: of one order, of a file, of a minor's gifts; and how far each case is. Another person approves.

import { call, newKey } from "./api.js";
import { age, asked, at, fill, isMaker, keepFields, link, onSubmit, pages, person, row, show, stateBadge, wholeCoins } from "./desk.js";
import { act, address, parseExact, read } from "./exact.js";
import { factsOf, listOf } from "./shapes.js";
import { notice } from "./words.js";

const PAGE_LEN = 100;

const KINDS = {
  order: "/v1/finance/refunds",
  file: "/v1/finance/refund-batches",
  minor: "/v1/finance/minor-cases",
};
const kind = asked.get("kind") in KINDS ? asked.get("kind") : "order";
const path = KINDS[kind];

/** One case, as its own part of the page. */
async function open(caseId) {
  at("case-card").hidden = false;
  await show("case", () => read(`${path}/${caseId}`), (detail) => {
    const { lines, shares, ...of } = detail;
    const parts = [factsOf(of)];
    if (lines?.length > 0) parts.push(listOf("Lines", lines));
    if (shares?.length > 0) parts.push(listOf("Whose earnings it takes back", shares));
    at("case").replaceChildren(...parts);
  });
}

function caseRow(of) {
  const head = link(address("/finance/refunds", { kind, case: of.case_id }), of.reason);
  const done = `${wholeCoins(of.done_count)} of ${wholeCoins(of.line_count)}`;
  const back = BigInt(of.refunded_paid_coins) + BigInt(of.refunded_promo_coins);
  return row({ head }, stateBadge(of.state), { number: done }, { number: wholeCoins(of.asked_coins) }, { number: wholeCoins(back) }, person(of.made_by), { number: age(of.made_at) });
}

const load = () =>
  show("cases", () => read(path, { before: asked.get("before"), limit: PAGE_LEN }), ({ cases }) => {
    const last = cases.length === PAGE_LEN ? cases.at(-1) : null;
    pages({ before: null }, last && { before: last.case_id });
    return fill("cases", cases.map(caseRow), "Nobody asked for such a refund yet.");
  });

/** A number of coins, or all that is left where nothing was written. */
function coinsOf(text) {
  if (text === "") return null;
  const coins = Number(text);
  if (!Number.isSafeInteger(coins) || coins <= 0) throw new Error(`"${text}" is no number of coins.`);
  return coins;
}

/** An instant of the reader's clock, as the API takes it. */
function instant(text) {
  const when = new Date(text);
  if (Number.isNaN(when.getTime())) throw new Error(`"${text}" is no time.`);
  return when.toISOString();
}

/** The kind of what is asked for at an address. */
const kindAt = (where) => Object.keys(KINDS).find((name) => KINDS[name] === where);

async function asks(form, where, body) {
  const made = await act(where, body);
  form.reset();
  notice("It waits for another person.");
  location.assign(address("/finance/refunds", { kind: kindAt(where), case: made.case_id }));
}

function setUpForms() {
  at("ask-card").hidden = !isMaker;
  onSubmit(at("order-form"), async (form) => {
    const text = (name) => String(form.get(name)).trim();
    const body = { request_id: newKey(), gift_order_id: text("order"), amount_coins: coinsOf(text("coins")), reason: text("reason") };
    await asks(at("order-form"), KINDS.order, body);
  });
  onSubmit(at("minor-form"), async (form) => {
    const text = (name) => String(form.get(name)).trim();
    const body = { case_id: newKey(), viewer_id: text("viewer"), from: instant(text("from")), to: instant(text("to")), reason: text("reason") };
    await asks(at("minor-form"), KINDS.minor, body);
  });
  onSubmit(at("file-form"), async (form) => {
    const where = address(KINDS.file, { batch_id: newKey(), reason: String(form.get("reason")).trim() });
    const made = parseExact(await call("POST", where, { file: await form.get("file").text(), text: true }));
    notice("It waits for another person.");
    location.assign(address("/finance/refunds", { kind: "file", case: made.case_id }));
  });
}

keepFields(at("kind-form"));
setUpForms();
load();
if (asked.get("case")) open(asked.get("case"));
