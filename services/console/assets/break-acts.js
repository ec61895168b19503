// What somebody does about a break: assign, comment, propose, decide, open again. The server draws the forms that fit;
// the API decides, and the tables behind it.

import { newKey } from "./api.js";
import { act } from "./act.js";
import { at } from "./desk.js";
import { onSubmits, refresh } from "./fresh.js";
import { microsOfText } from "./money.js";
import { sub } from "./session.js";
import { notice } from "./words.js";

/** One act under one key: sent again after a refusal it is another act. */
async function on(what, body) {
  return act(`/v1/finance/breaks/${encodeURIComponent(at("break").dataset.id)}/${what}`, body, newKey());
}

/** A whole number as the API takes it: a JSON number, so nothing that a number cannot hold exactly. */
function whole(text) {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new Error(`This form does not take ${text}.`);
  return number;
}

/** Shows the fields of the chosen action only, and sends no other. */
function choosePropose(form) {
  for (const set of form.querySelectorAll("fieldset[data-action]")) {
    set.hidden = set.dataset.action !== form.elements.action.value;
    set.disabled = set.hidden;
  }
}

/** Another line like the last one, empty. */
function addLine(form) {
  const rows = form.querySelectorAll("#voucher-lines tbody tr");
  const line = rows[rows.length - 1].cloneNode(true);
  for (const input of line.querySelectorAll("input")) input.value = "";
  rows[rows.length - 1].after(line);
}

function lineMicros(text) {
  const micros = Number(microsOfText(text));
  if (!Number.isSafeInteger(micros)) throw new Error("This form takes at most ¥90,071,992.54 a line.");
  return micros;
}

function voucherLines(form) {
  const [debits, credits] = [form.getAll("debit"), form.getAll("credit")];
  const lines = form.getAll("account").map((account, place) => ({
    account: String(account).trim(),
    debit_micro: lineMicros(debits[place]),
    credit_micro: lineMicros(credits[place]),
  }));
  return lines.filter((line) => line.account !== "" || line.debit_micro !== 0 || line.credit_micro !== 0);
}

function actionOf(form) {
  const action = String(form.get("action"));
  const { coins, order } = at("acts").dataset;
  if (action === "write_off") return { action, coins: whole(coins) };
  if (action === "wait") return { action, days: whole(form.get("days")) };
  if (action === "settle_receivable") return { action, end: String(form.get("end")) };
  if (action === "adjust_voucher") return { action, lines: voucherLines(form) };
  if (action !== "grant_coins") return { action, order_id: order };
  const funds = { paid_coins: whole(form.get("paid_coins")), promo_coins: whole(form.get("promo_coins")) };
  return { action, viewer_id: String(form.get("viewer_id")).trim(), funds };
}

async function done(words) {
  notice(words);
  await refresh();
}

async function decide(form, submitter, { proposal, digest }) {
  const isRejected = submitter?.value === "reject";
  const body = { proposal_id: proposal, digest, ...(isRejected ? { reason: String(form.get("reason")) } : {}) };
  await on(isRejected ? "rejections" : "approvals", body);
  await done(isRejected ? "Rejected. It is back with whoever has it." : "Approved. It is being done.");
}

/** Sets the forms up, those too that a fresh copy brings. */
export function setUpActs() {
  onSubmits({
    "assign-form": async (form, submitter) => {
      const assignee = submitter?.value === "id" ? String(form.get("assignee")).trim() : sub;
      await on("assignments", { assignee_id: assignee });
      await done(assignee === sub ? "The break is with you." : "The break is assigned.");
    },
    "comment-form": async (form, submitter, element) => {
      await on("comments", { text: String(form.get("text")) });
      element.reset();
      await done("Your comment is kept.");
    },
    "propose-form": async (form) => {
      await on("proposals", { action: actionOf(form), reason: String(form.get("reason")) });
      await done("Proposed. Another person decides.");
    },
    "decide-form": (form, submitter, element) => decide(form, submitter, element.dataset),
    "reopen-form": async (form) => {
      const deed = await on("reopenings", { reason: String(form.get("reason")) });
      location.assign(`/finance/breaks/${deed.break.break_id}`);
    },
  });
  document.addEventListener("change", ({ target }) => {
    if (target.id === "propose-action") choosePropose(target.form);
  });
  document.addEventListener("click", ({ target }) => {
    if (target.id === "add-line") addLine(target.form);
  });
}
