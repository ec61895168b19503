// One break: what each side says, its history, and what is being done about it.

import { setUpActs, showActs } from "./break-acts.js";
import { actionWords } from "./break-words.js";
import { showSides } from "./evidence.js";
import { read } from "./exact.js";
import { at, due, facts, fill, link, made, person, row, severityBadge, shortId, show, stateBadge, table, time, wholeCoins, words } from "./desk.js";
import { element } from "./words.js";

/** How often a break is looked at that others may be working on. */
const EVERY_MS = 5_000;

const id = at("break").dataset.id;
const path = `/v1/finance/breaks/${encodeURIComponent(id)}`;
const LIFE = ["detected", "open", "assigned", "proposed", "approved", "posted", "closed"];

let shown = null;

function breakLink(of, text) {
  return link(`/finance/breaks/${of}`, text);
}

function showSummary({ break: found, history }) {
  const title = made("div", "break-title", element("strong", "", words(found.kind)), element("span", "muted", `#${found.break_no}`));
  title.append(severityBadge(found.severity), stateBadge(found.state));
  const isClosed = found.state === "closed";
  // Only a break that was opened again has these: its own fact stands in the first.
  const again = history.filter((step) => step.act === "reopened").map((step) => breakLink(step.body.reopened_as, "opened again as another"));
  const list = facts([
    ["Coins in question", wholeCoins(found.coins)],
    ["Compared", words(found.logs)],
    ["Found", time(found.detected_at)],
    ["Due", due(found.due_at, isClosed)],
    ["With", person(found.assignee_id)],
    ["Waits until", time(found.waits_until)],
    ["Closed", found.closed_at ? made("span", "", time(found.closed_at), `: ${words(found.closed_why).toLowerCase()}`) : null],
    ["Order", found.order_id ? link(`/finance/orders/${found.order_id}`, found.order_id) : null],
    ["Partition", String(found.partition)],
    ["Rows of minute", found.minute === undefined ? null : time(new Date(found.minute * 60_000).toISOString())],
    ["First break about this", found.reopens_id ? breakLink(found.reopens_id, found.reopens_id) : null],
    ["Later", again.length > 0 ? made("span", "", ...again) : null],
  ]);
  at("summary").replaceChildren(title, list);
  document.title = `${words(found.kind)} #${found.break_no} · Largesse`;
  const now = found.state === "waiting" ? "approved" : found.state;
  const reached = LIFE.indexOf(now);
  at("life").replaceChildren(
    ...LIFE.map((state, place) => {
      const step = element("li", place < reached ? "past" : "", state === "approved" && found.state === "waiting" ? "Waiting" : words(state));
      if (place === reached) step.setAttribute("aria-current", "step");
      return step;
    }),
  );
}

function proposalCard(proposal) {
  const { effect } = proposal;
  const verdict = proposal.decision ? words(proposal.decision) : "Waits for another person";
  const parts = facts([
    ["Reason", proposal.reason],
    ["Proposed", made("span", "", time(proposal.proposed_at), " by ", proposal.rule ? `the rule ${proposal.rule}` : person(proposal.maker_id))],
    ["Decided", proposal.decided_at ? made("span", "", `${verdict} `, time(proposal.decided_at), " by ", proposal.checker_id ? person(proposal.checker_id) : "recon") : verdict],
    ["Because", proposal.decision_reason],
    ["Command", effect ? `${words(effect.outcome)}, asked ${effect.attempts} times` : null],
    ["Under the id", effect?.request_id],
    ["Its error", effect?.last_error],
    ["Its proof", effect?.proof ? element("code", "json", JSON.stringify(effect.proof, null, 1)) : null],
    ["Digest", element("code", "", proposal.digest)],
  ]);
  const lines = (proposal.action.lines ?? []).map((line) => row({ head: line.account }, { number: line.debit_micro }, { number: line.credit_micro }));
  const item = made("article", "proposal", element("h3", "", actionWords(proposal.action)), parts);
  if (lines.length > 0) item.append(table("Lines of the voucher, millionths of a minor unit", ["Account", "#Debit, micro", "#Credit, micro"], lines));
  return item;
}

function commentItem(comment) {
  const head = made("p", "muted", person(comment.author_id), ", ", time(comment.said_at));
  return made("li", "", head, element("p", "said", comment.text));
}

const SAID = ["reason", "text", "assignee_id", "rule", "kind", "why", "error"];

/** What a row of the trail adds to its act, in short; the whole of it on opening. */
function stepSays(body) {
  const short = SAID.filter((name) => body[name]).map((name) => `${words(name).toLowerCase()} ${body[name]}`);
  const whole = element("details", "");
  whole.append(element("summary", "", short.join(" · ") || "all of it"), element("code", "json", JSON.stringify(body, null, 1)));
  return whole;
}

function stepRow(step) {
  const what = element("strong", "", words(step.act));
  const number = shortId(String(step.seq));
  number.title = step.hash;
  return row(time(step.at), person(step.actor), what, stepSays(step.body), { number });
}

function draw(detail) {
  const isNew = shown === null || shown.break.version !== detail.break.version || shown.comments.length !== detail.comments.length;
  showSummary(detail);
  if (isNew) {
    showSides(detail);
    at("proposals").replaceChildren(...detail.proposals.map(proposalCard));
    at("proposals-state").textContent = detail.proposals.length === 0 ? "Nothing was proposed." : "";
    at("proposals-state").className = "state empty-state";
    at("comments").replaceChildren(...detail.comments.map(commentItem));
    at("comments-state").textContent = detail.comments.length === 0 ? "Nobody has said anything." : "";
    at("comments-state").className = "state empty-state";
    at("history-state").textContent = fill("history", detail.history.map(stepRow), "The trail says nothing of it.");
    at("history-state").className = "state empty-state";
    showActs(detail);
  }
  shown = detail;
}

async function load() {
  const isThere = await show("summary", () => read(path), draw);
  if (isThere || shown !== null) return;
  for (const part of ["recorded", "rows", "proposals", "comments", "history"]) at(`${part}-state`).textContent = "";
}

setUpActs(path, load);
load();
setInterval(() => {
  if (!document.hidden) load();
}, EVERY_MS);
