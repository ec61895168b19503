// The inbox of breaks: one page of rows at a time, whatever there is; keys, and acts on many at once.

import { act, read } from "./exact.js";
import { age, asked, at, due, fill, isMaker, isWorker, label, link, made, onSubmit, pages, person, row, sayWhy, severityBadge, show, stateBadge, wholeCoins, words } from "./desk.js";
import { onKeys } from "./inbox-keys.js";
import { sub } from "./session.js";
import { element } from "./words.js";

/** Rows of one page. */
const PAGE_LEN = 50;

/** Breaks that are acted on at the same time: each act is a transaction that waits for the one trail. */
const AT_ONCE_MAX = 4;

const ME = /^(me|mine)$/i;
const listed = new Map();
const chosen = new Set();

/** The address's filters as the API knows them. */
function filters() {
  const state = asked.get("state") ?? "";
  const days = Number.parseInt(asked.get("age") ?? "", 10);
  const who = (asked.get("who") ?? "").trim();
  return {
    state: state === "any" ? "" : state,
    not_closed: state === "" ? "true" : "",
    severity: asked.get("severity"),
    kind: asked.get("kind"),
    overdue: asked.get("overdue") === "true" ? "true" : "",
    assignee_id: ME.test(who) ? sub : who,
    detected_before: Number.isNaN(days) ? "" : new Date(Date.now() - days * 86_400_000).toISOString(),
  };
}

function rowOf(found) {
  const box = element("input");
  box.type = "checkbox";
  box.checked = chosen.has(found.break_id);
  box.setAttribute("aria-label", `Choose ${words(found.kind)} ${found.break_no}`);
  box.addEventListener("change", () => choose(found.break_id, box.checked));
  const title = made("span", "", link(`/finance/breaks/${found.break_id}`, words(found.kind), "open"));
  title.append(element("span", "muted", ` #${found.break_no}`));
  const line = row(made("span", "tick", box), { head: title }, severityBadge(found.severity), stateBadge(found.state));
  const isClosed = found.state === "closed";
  line.append(
    ...row(words(found.logs), { number: wholeCoins(found.coins) }, { number: age(found.detected_at) }, due(found.due_at, isClosed), person(found.assignee_id)).children,
  );
  line.dataset.id = found.break_id;
  line.classList.toggle("chosen", box.checked);
  return line;
}

function choose(id, isChosen) {
  if (isChosen) chosen.add(id);
  else chosen.delete(id);
  const line = lineOf(id);
  line?.classList.toggle("chosen", isChosen);
  const box = line?.querySelector("input");
  if (box) box.checked = isChosen;
  at("bulk").hidden = chosen.size === 0 && at("outcomes").childElementCount === 0;
  at("chosen-count").textContent = chosen.size === 0 ? "None chosen" : `${chosen.size} chosen`;
}

function lineOf(id) {
  return at("breaks").querySelector(`tr[data-id="${id}"]`);
}

function redraw(found) {
  const line = lineOf(found.break_id);
  if (!line) return;
  const hadFocus = line.contains(document.activeElement);
  const next = rowOf(found);
  listed.set(found.break_id, found);
  label(at("breaks"), next);
  line.replaceWith(next);
  if (hadFocus) next.querySelector("a.open").focus();
}

async function load() {
  await show(
    "breaks",
    () => read("/v1/finance/breaks", { ...filters(), before: asked.get("before"), limit: PAGE_LEN }),
    (page) => {
      listed.clear();
      for (const found of page.breaks) listed.set(found.break_id, found);
      const before = page.next_before ?? null;
      pages({ before: null }, before === null ? null : { before });
      at("count").textContent = `${wholeCoins(page.not_closed_count)} not closed in all; ${page.breaks.length} on this page`;
      return fill("breaks", page.breaks.map(rowOf), "No break fits. That is good, or the filters are narrow.");
    },
  );
}

/** Kinds there are, with how many of each are open. The choice works without them. */
async function loadKinds() {
  try {
    const { groups } = await read("/v1/finance/break-ages");
    const counts = new Map();
    for (const group of groups) counts.set(group.kind, (counts.get(group.kind) ?? 0n) + BigInt(group.count));
    const now = asked.get("kind") ?? "";
    if (now !== "" && !counts.has(now)) counts.set(now, 0n);
    const options = [...counts].sort().map(([kind, count]) => new Option(`${words(kind)} (${wholeCoins(count)})`, kind, false, kind === now));
    at("kinds").replaceChildren(new Option("Any", ""), ...options);
  } catch {
    // The select keeps what the page came with.
  }
}

/** What an act on many is about: the chosen ones, else the row that has the focus. */
function subjects(line) {
  if (chosen.size > 0) return [...chosen].map((id) => listed.get(id)).filter(Boolean);
  const one = listed.get(line?.dataset.id);
  return one ? [one] : [];
}

/** Acts on each, a few at a time, and shows what became of each. */
async function each(breaks, what, actOn) {
  const outcomes = at("outcomes");
  outcomes.replaceChildren();
  at("bulk").hidden = false;
  const left = [...breaks];
  const lane = async () => {
    for (let found = left.shift(); found; found = left.shift()) {
      const line = made("li", "", link(`/finance/breaks/${found.break_id}`, `#${found.break_no}`), " ");
      outcomes.append(line);
      try {
        redraw(await actOn(found));
        line.className = "good";
        line.append(`${what}.`);
      } catch (error) {
        line.className = "bad";
        line.append(sayWhy(error));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, lane));
}

async function assign(found, assignee) {
  const deed = await act(`/v1/finance/breaks/${found.break_id}/assignments`, { assignee_id: assignee });
  return deed.break;
}

const assignToMe = (found) => assign(found, sub);

function actionFor(found, form) {
  const action = form.get("action");
  if (action === "write_off") return { action, coins: found.coins };
  if (action === "wait") return { action, days: Number(form.get("days")) };
  return { action, order_id: found.order_id };
}

async function propose(found, form) {
  const mine = found.state === "open" ? await assignToMe(found) : found;
  const body = { action: actionFor(mine, form), reason: String(form.get("reason")) };
  const deed = await act(`/v1/finance/breaks/${found.break_id}/proposals`, body);
  return deed.break;
}

let proposedFor = [];

function askWhatToPropose(breaks) {
  if (breaks.length === 0 || !isMaker) return;
  proposedFor = breaks;
  at("propose-dialog-title").textContent = breaks.length === 1 ? "Propose for one break" : `Propose for ${breaks.length} breaks`;
  at("propose-dialog").showModal();
}

function setUpBulk() {
  at("bulk-assign").hidden = !isWorker;
  at("bulk-assign-form").hidden = !isWorker;
  at("bulk-propose").hidden = !isMaker;
  at("bulk-assign").addEventListener("click", () => each(subjects(), "Assigned to you", assignToMe));
  onSubmit(at("bulk-assign-form"), async (form) => {
    const assignee = String(form.get("assignee")).trim();
    await each(subjects(), "Assigned", (found) => assign(found, assignee));
  });
  at("bulk-propose").addEventListener("click", () => askWhatToPropose(subjects()));
  at("choose-all").addEventListener("click", () => listed.forEach((_, id) => choose(id, true)));
  at("choose-none").addEventListener("click", () => {
    at("outcomes").replaceChildren();
    [...chosen].forEach((id) => choose(id, false));
  });
  at("bulk-action").addEventListener("change", (event) => {
    at("bulk-days-field").hidden = event.target.value !== "wait";
  });
  onSubmit(at("bulk-form"), async (form, submitter) => {
    if (submitter?.dataset.close !== undefined) return;
    at("propose-dialog").close();
    await each(proposedFor, "Proposed", (found) => propose(found, form));
    at("bulk-form").reset();
    at("bulk-days-field").hidden = true;
  });
}

setUpBulk();
load();
loadKinds();
onKeys({
  choose: (line) => choose(line.dataset.id, !chosen.has(line.dataset.id)),
  assign: (line) => isWorker && each(subjects(line), "Assigned to you", assignToMe),
  propose: (line) => askWhatToPropose(subjects(line)),
});
