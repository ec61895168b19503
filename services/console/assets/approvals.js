// Everything that waits for a second person, in one place. Who made it sees it and is told that it is another's.

import { actionWords } from "./break-words.js";
import { age, at, decidesPayouts, fill, isChecker, link, made, minor, onSubmit, person, row, sayWhy, severityBadge, show, wholeCoins, words } from "./desk.js";
import { act, address, read } from "./exact.js";
import { factsOf, listIn } from "./shapes.js";
import { sub } from "./session.js";
import { element, notice } from "./words.js";

/** Proposals read at the same time; the rest has its own page of the inbox. */
const PROPOSALS_MAX = 25;

let rejecting = null;

function button(text, className, press) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", () => press(made));
  return made;
}

/** The buttons of one thing, or why they are not this person's to press. */
function decision({ maker, mayDecide, approve, refuse, reload }) {
  if (maker === sub) return element("span", "muted", "you made it");
  if (!mayDecide) return element("span", "muted", "a checker's");
  const place = made("div", "row");
  const error = element("p", "error");
  const run = async (pressed, way) => {
    pressed.disabled = true;
    error.textContent = "";
    try {
      await way();
      notice("Done.");
      await reload();
    } catch (refused) {
      error.textContent = sayWhy(refused);
      pressed.disabled = false;
    }
  };
  place.append(button("Approve", "primary small", (pressed) => run(pressed, approve)));
  if (refuse) place.append(button(refuse.label, "quiet small", (pressed) => run(pressed, refuse.way)));
  return made("div", "", place, error);
}

/** Asks for a reason, then rejects with it. */
function askReason(reject) {
  rejecting = reject;
  at("reject-dialog").showModal();
}

function proposalRow({ break: found, proposal }) {
  const path = `/v1/finance/breaks/${found.break_id}`;
  const { proposal_id, digest } = proposal;
  const buttons = decision({
    maker: proposal.maker_id,
    mayDecide: isChecker,
    approve: () => act(`${path}/approvals`, { proposal_id, digest }),
    reload: loadProposals,
  });
  const isMine = proposal.maker_id === sub || !isChecker;
  if (!isMine) {
    const reject = (reason) => act(`${path}/rejections`, { proposal_id, digest, reason });
    buttons.firstChild.append(button("Reject…", "quiet small", () => askReason(reject)));
  }
  const what = made("span", "", link(`/finance/breaks/${found.break_id}`, words(found.kind)), " ", severityBadge(found.severity), ` ${wholeCoins(found.coins)} coins`);
  const says = made("span", "", element("strong", "", actionWords(proposal.action)), element("p", "muted", proposal.reason));
  return row({ head: what }, says, person(proposal.maker_id), { number: age(proposal.proposed_at) }, buttons);
}

const loadProposals = () =>
  show("proposals", () => read("/v1/finance/proposals", { limit: PROPOSALS_MAX }), ({ proposals, waiting_count }) => {
    const rest = waiting_count - proposals.length;
    at("proposals-rest").hidden = rest <= 0;
    at("proposals-rest").textContent = `${wholeCoins(rest)} more wait in the inbox`;
    return fill("proposals", proposals.map(proposalRow), "No proposal waits.");
  });

function batchRow(batch) {
  const path = `/v1/finance/payout-batches/${batch.batch_id}`;
  const says = `${batch.line_count} ${batch.line_count === 1 ? "line" : "lines"}, ${minor(batch.net_minor, batch.currency)} to pay, ${minor(batch.tax_minor, batch.currency)} withheld`;
  const buttons = decision({
    maker: batch.built_by,
    mayDecide: decidesPayouts,
    approve: () => act(`${path}/approve`, {}),
    refuse: { label: "Discard", way: () => act(`${path}/discard`, {}) },
    reload: loadBatches,
  });
  return row({ head: link(`/finance/payouts/${batch.batch_id}`, `Batch of ${batch.day}`) }, says, person(batch.built_by), { number: age(batch.built_at) }, buttons);
}

const loadBatches = () =>
  show("batches", () => read("/v1/finance/payout-batches", { state: "built" }), ({ batches }) => fill("batches", batches.map(batchRow), "No batch waits."));

function importRow(of) {
  const path = `/v1/finance/contract-imports/${of.import_id}`;
  const buttons = decision({
    maker: of.created_by,
    mayDecide: decidesPayouts,
    approve: () => act(`${path}/approve`, {}),
    refuse: { label: "Refuse", way: () => act(`${path}/refuse`, {}) },
    reload: loadImports,
  });
  const count = `${of.contract_count} ${of.contract_count === 1 ? "contract" : "contracts"}`;
  return row({ head: "Contracts" }, count, person(of.created_by), { number: age(of.created_at) }, buttons);
}

const loadImports = () =>
  show("imports", () => read("/v1/finance/contract-imports", { state: "waiting" }), ({ imports }) => fill("imports", imports.map(importRow), "No contract waits."));

function accountRow(account) {
  const buttons = decision({
    maker: account.created_by,
    mayDecide: decidesPayouts,
    approve: () => act(`/v1/finance/payee-accounts/${account.account_id}/approve`, {}),
    reload: loadAccounts,
  });
  const says = `${account.holder}, ${account.account_no}, ${account.bank_code}`;
  const since = account.created_at ? age(account.created_at) : "—";
  return row({ head: made("span", "", `${words(account.payee)} `, person(account.payee_id)) }, says, person(account.created_by), { number: since }, buttons);
}

const loadAccounts = () =>
  show("accounts", () => read("/v1/finance/payee-accounts"), ({ accounts }) => fill("accounts", accounts.filter((of) => !of.approved_by).map(accountRow), "No account waits."));

/** Who made something, whatever that is called where it was made. */
const makerOf = (of) => of.made_by ?? of.maker_id ?? of.proposed_by ?? of.created_by ?? of.requested_by;
const sinceOf = (of) => of.made_at ?? of.proposed_at ?? of.created_at ?? of.requested_at;
const WAITS = new Set(["waiting", "proposed", "requested", "pending"]);

const SHOWN_ELSEWHERE = ["case_id", "request_id", "kind", "state", "first_day", "last_day", "made_by", "maker_id", "proposed_by", "made_at", "proposed_at", "done_count", "failed_count", "refunded_paid_coins", "refunded_promo_coins"];

/** Things whose answers are drawn by the names of their members. `of` says how they are listed and decided. */
function others(id, { path, query, list = listIn, what, approve, refuse, empty }) {
  const load = () =>
    show(id, () => read(path, query), (answer) => {
      const waiting = list(answer).filter((one) => WAITS.has(one.state));
      const rows = waiting.map((one) => {
        const way = refuse && { label: "Refuse", way: () => act(refuse(one), {}) };
        const buttons = decision({ maker: makerOf(one), mayDecide: decidesPayouts, approve: () => approve(one), refuse: way, reload: load });
        return row({ head: what(one) }, factsOf(one, SHOWN_ELSEWHERE), person(makerOf(one)), { number: sinceOf(one) ? age(sinceOf(one)) : "—" }, buttons);
      });
      return fill(id, rows, empty);
    });
  load();
}

/** Cases of refunds of one kind. */
function cases(id, path, what, empty) {
  const decide = (verb) => (one) => `${path}/${one.case_id}/${verb}`;
  others(id, { path, query: { state: "waiting" }, what, approve: (one) => act(decide("approve")(one), {}), refuse: decide("refuse"), empty });
}

onSubmit(at("reject-form"), async (form) => {
  await rejecting(String(form.get("reason")));
  at("reject-dialog").close();
  at("reject-form").reset();
  await loadProposals();
});

if (!isChecker && !decidesPayouts) at("approvals-say").textContent = "Your role sees what waits; people with the role finance-checker decide.";
loadProposals();
loadBatches();
loadImports();
loadAccounts();
cases("refunds", "/v1/finance/refunds", () => "One order", "No refund waits.");
cases("refund-files", "/v1/finance/refund-batches", (one) => `A file of ${one.line_count} orders`, "No file waits.");
cases("minors", "/v1/finance/minor-cases", (one) => `${one.line_count} gifts of a minor`, "No case waits.");
others("matching", {
  path: "/v1/finance/matching-rules",
  what: (one) => link("/finance/rules", `Version ${one.version}`),
  approve: (one) => act(address(`/v1/finance/matching-rules/${one.version}/approve`, { scope: one.scope }), {}),
  refuse: (one) => address(`/v1/finance/matching-rules/${one.version}/reject`, { scope: one.scope }),
  empty: "No version waits.",
});
others("periods", {
  path: "/v1/finance/periods",
  list: (answer) => answer.requests ?? [],
  what: (one) => link(`/finance/close?period=${one.period}`, `${words(one.step)} ${one.period}`),
  approve: (one) => act(`/v1/finance/periods/${one.period}/${one.step.replace("_", "-")}`, { request_id: one.request_id, reason: one.reason }),
  empty: "No period waits.",
});
