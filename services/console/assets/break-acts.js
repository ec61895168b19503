// What somebody may do about a break: assign, comment, propose, decide, open again. The page offers what fits; the API
// decides, and the tables behind it.

import { newKey } from "./api.js";
import { act } from "./exact.js";
import { at, facts, isChecker, isMaker, isWorker, made, onSubmit, person, time, wholeCoins, words } from "./desk.js";
import { actionWords } from "./break-words.js";
import { microsOfText } from "./money.js";
import { role, sub } from "./session.js";
import { element, notice } from "./words.js";

let detail = null;

/** One act under one key: sent again after a refusal it is another act. */
async function on(path, what, body) {
  return act(`${path}/${what}`, body, newKey());
}

function waitingProposal() {
  return detail.proposals.find((proposal) => proposal.decision === undefined);
}

/** Why somebody cannot decide, or an empty text. */
function whyNot(proposal) {
  if (!isChecker) {
    return isMaker ? `Your role (${role}) proposes. Somebody with the role finance-checker decides.` : "Your role reads only.";
  }
  return proposal.maker_id === sub ? "It is not yours to decide: you proposed it. Another person must." : "";
}

function showDecision() {
  const proposal = waitingProposal();
  if (!proposal) return;
  const said = facts([
    ["Proposed", actionWords(proposal.action)],
    ["Because", proposal.reason],
    ["By", person(proposal.maker_id)],
    ["At", time(proposal.proposed_at)],
  ]);
  at("to-decide").replaceChildren(said);
  const why = whyNot(proposal);
  at("not-you").textContent = why;
  at("approve").disabled = why !== "";
  at("reject").disabled = why !== "";
}

const SAYS = {
  wait: "Nothing is done for so many days; then the break is back with whoever has it.",
  grant_coins: "The wallet gives the viewer these coins, once.",
  refund_order: "The wallet gives back all that is left of the order, once.",
  resettle: "Settlement settles the order that it has not.",
  settle_receivable: "Clearing takes it off the books; after a won dispute the viewer gets back the coins that were taken.",
  adjust_voucher: "Clearing posts this voucher into the first open period.",
};

function choosePropose() {
  const action = at("propose-action").value;
  for (const set of document.querySelectorAll("#propose-form fieldset")) {
    set.hidden = set.dataset.action !== action;
    set.disabled = set.hidden;
  }
  const { break: found, may_propose: may } = detail;
  const limits = {
    write_off: `All ${wholeCoins(found.coins)} coins of the break are written off, and clearing posts what they are worth. At most ${wholeCoins(may.write_off_coins_max)} at once.`,
    grant_coins: ` At most ${wholeCoins(may.grant_coins_max)} coins at once.`,
    wait: ` At most ${may.wait_days_max} days.`,
  };
  at("propose-says").textContent = (SAYS[action] ?? "") + (limits[action] ?? "");
}

function showPropose() {
  const { break: found, may_propose: may, before, after } = detail;
  const chosen = at("propose-action").value;
  const options = may.actions.map((action) => new Option(words(action), action, false, action === chosen));
  at("propose-action").replaceChildren(...options);
  const viewer = before.row?.viewer_id ?? after.row?.viewer_id ?? before.row?.account_id ?? "";
  const form = at("propose-form");
  if (form.elements.viewer_id.value === "") form.elements.viewer_id.value = viewer;
  if (form.elements.promo_coins.value === "0") form.elements.promo_coins.value = String(found.coins);
  form.elements.promo_coins.max = String(may.grant_coins_max);
  form.elements.paid_coins.max = String(may.grant_coins_max);
  form.elements.days.max = String(may.wait_days_max);
  form.elements.days.min = "1";
  if (form.elements.days.value === "0") form.elements.days.value = "1";
  if (at("voucher-lines").tBodies[0].rows.length === 0) [0, 1].forEach(addLine);
  choosePropose();
}

const NOW = {
  detected: "It was just found. If it does not go away by itself, it will be open in a moment.",
  approved: "It is approved. The owning service is being asked, until it answers.",
  posted: "It is done. It closes once the owning service's own record was read again.",
  waiting: "Two people agreed to wait.",
};

/** Shows what fits where the break stands and who looks at it. */
export function showActs(now) {
  detail = now;
  const { state } = detail.break;
  const fits = {
    "assign-form": isWorker && (state === "open" || state === "assigned"),
    "propose-form": isMaker && state === "assigned",
    "decide-form": state === "proposed",
    "reopen-form": isWorker && state === "closed",
    "comment-form": isWorker,
  };
  for (const [id, isFitting] of Object.entries(fits)) at(id).hidden = !isFitting;
  let says = NOW[state] ?? "";
  if (state === "open" && isMaker) says = "Take it first; then you can propose what to do.";
  if (state === "assigned" && isChecker) says = "A maker proposes what to do about it; you may decide it then.";
  if (!isWorker && state !== "proposed") says = `${says} Your role reads only.`.trim();
  at("acts-say").textContent = says;
  if (fits["propose-form"]) showPropose();
  if (fits["decide-form"]) showDecision();
}

function addLine() {
  const input = (name, label) => {
    const made = element("input");
    made.type = "text";
    made.name = name;
    made.setAttribute("aria-label", label);
    if (name !== "account") made.inputMode = "decimal";
    return made;
  };
  const line = element("tr");
  for (const [name, label] of [["account", "Account"], ["debit", "Debit, yuan"], ["credit", "Credit, yuan"]]) {
    line.append(made("td", name === "account" ? "" : "number", input(name, label)));
  }
  at("voucher-lines").tBodies[0].append(line);
}

/** A line's amount as the API takes it: a JSON number, so nothing that a number cannot hold exactly. */
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
  const found = detail.break;
  if (action === "write_off") return { action, coins: found.coins };
  if (action === "wait") return { action, days: Number(form.get("days")) };
  if (action === "settle_receivable") return { action, end: String(form.get("end")) };
  if (action === "adjust_voucher") return { action, lines: voucherLines(form) };
  if (action !== "grant_coins") return { action, order_id: found.order_id };
  const funds = { paid_coins: Number(form.get("paid_coins")), promo_coins: Number(form.get("promo_coins")) };
  return { action, viewer_id: String(form.get("viewer_id")).trim(), funds };
}

/** Sets the forms up; `reload` shows what came of them. */
export function setUpActs(path, reload) {
  const done = async (words) => {
    notice(words);
    await reload();
  };
  onSubmit(at("assign-form"), async (form, submitter) => {
    const assignee = submitter?.value === "id" ? String(form.get("assignee")).trim() : sub;
    await on(path, "assignments", { assignee_id: assignee });
    await done(assignee === sub ? "The break is with you." : "The break is assigned.");
  });
  onSubmit(at("comment-form"), async (form) => {
    await on(path, "comments", { text: String(form.get("text")) });
    at("comment-form").reset();
    await done("Your comment is kept.");
  });
  onSubmit(at("propose-form"), async (form) => {
    await on(path, "proposals", { action: actionOf(form), reason: String(form.get("reason")) });
    at("propose-form").reset();
    await done("Proposed. Another person decides.");
  });
  onSubmit(at("decide-form"), async (form, submitter) => {
    const { proposal_id, digest } = waitingProposal();
    const isRejected = submitter?.value === "reject";
    const body = { proposal_id, digest, ...(isRejected ? { reason: String(form.get("reason")) } : {}) };
    await on(path, isRejected ? "rejections" : "approvals", body);
    at("decide-form").reset();
    await done(isRejected ? "Rejected. It is back with whoever has it." : "Approved. It is being done.");
  });
  onSubmit(at("reopen-form"), async (form) => {
    const deed = await on(path, "reopenings", { reason: String(form.get("reason")) });
    location.assign(`/finance/breaks/${deed.break.break_id}`);
  });
  at("propose-action").addEventListener("change", choosePropose);
  at("add-line").addEventListener("click", addLine);
}
