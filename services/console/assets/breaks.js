// The inbox of breaks: the server draws its rows; this chooses among them, acts on many at once, and takes fresh rows.

import { act } from "./act.js";
import { at, isMaker, isWorker, link, made, onSubmit, sayWhy } from "./desk.js";
import { refresh } from "./fresh.js";
import { onKeys } from "./inbox-keys.js";
import { sub } from "./session.js";

/** Breaks that are acted on at the same time: each act is a transaction that waits for the one trail. */
const AT_ONCE_MAX = 4;

const chosen = new Set();

function lines() {
  return [...document.querySelectorAll("#breaks tbody tr")];
}

/** A row's break, as the row says it. */
function foundOf(line) {
  const { id, no, state, coins, order } = line.dataset;
  return { break_id: id, break_no: no, state, coins: Number(coins), order_id: order };
}

function choose(line, isChosen) {
  if (isChosen) chosen.add(line.dataset.id);
  else chosen.delete(line.dataset.id);
  line.classList.toggle("chosen", isChosen);
  line.querySelector("input").checked = isChosen;
  tellChosen();
}

function tellChosen() {
  at("bulk").hidden = chosen.size === 0 && at("outcomes").childElementCount === 0;
  at("chosen-count").textContent = chosen.size === 0 ? "None chosen" : `${chosen.size} chosen`;
}

/** Takes the list as it is now; what is chosen stays chosen where it is still there, and the focus where it was. */
async function takeFresh() {
  const focused = document.activeElement?.closest("#breaks tbody tr")?.dataset.id;
  await refresh("#list");
  const here = lines();
  const ids = new Set(here.map((line) => line.dataset.id));
  for (const id of chosen) if (!ids.has(id)) chosen.delete(id);
  for (const line of here) choose(line, chosen.has(line.dataset.id));
  here.find((line) => line.dataset.id === focused)?.querySelector("a.open").focus();
  tellChosen();
}

/** What an act on many is about: the chosen ones, else the row that has the focus. */
function subjects(line) {
  if (chosen.size > 0) return lines().filter((one) => chosen.has(one.dataset.id)).map(foundOf);
  return line ? [foundOf(line)] : [];
}

/** Acts on each, a few at a time, shows what became of each, and then the list as it is. */
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
        await actOn(found);
        line.className = "good";
        line.append(`${what}.`);
      } catch (error) {
        line.className = "bad";
        line.append(sayWhy(error));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, lane));
  await takeFresh();
}

async function assign(found, assignee) {
  return act(`/v1/finance/breaks/${found.break_id}/assignments`, { assignee_id: assignee });
}

const assignToMe = (found) => assign(found, sub);

function actionFor(found, form) {
  const action = form.get("action");
  if (action === "wait") return { action, days: Number(form.get("days")) };
  if (action !== "write_off") return { action, order_id: found.order_id };
  if (!Number.isSafeInteger(found.coins)) throw new Error("That many coins are proposed on the break's own page.");
  return { action, coins: found.coins };
}

async function propose(found, form) {
  const body = { action: actionFor(found, form), reason: String(form.get("reason")) };
  if (found.state === "open") await assignToMe(found);
  return act(`/v1/finance/breaks/${found.break_id}/proposals`, body);
}

let proposedFor = [];

function askWhatToPropose(breaks) {
  if (breaks.length === 0 || !isMaker) return;
  proposedFor = breaks;
  at("propose-dialog-title").textContent = breaks.length === 1 ? "Propose for one break" : `Propose for ${breaks.length} breaks`;
  at("propose-dialog").showModal();
}

function setUpBulk() {
  at("bulk-assign").addEventListener("click", () => each(subjects(), "Assigned to you", assignToMe));
  onSubmit(at("bulk-assign-form"), async (form) => {
    const assignee = String(form.get("assignee")).trim();
    await each(subjects(), "Assigned", (found) => assign(found, assignee));
  });
  at("bulk-propose").addEventListener("click", () => askWhatToPropose(subjects()));
  at("choose-all").addEventListener("click", () => lines().forEach((line) => choose(line, true)));
  at("choose-none").addEventListener("click", () => {
    at("outcomes").replaceChildren();
    chosen.clear();
    lines().forEach((line) => choose(line, false));
    tellChosen();
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
document.addEventListener("change", ({ target }) => {
  const line = target.closest("#breaks tbody tr");
  if (line) choose(line, target.checked);
});
onKeys({
  choose: (line) => choose(line, !chosen.has(line.dataset.id)),
  assign: (line) => isWorker && each(subjects(line), "Assigned to you", assignToMe),
  propose: (line) => askWhatToPropose(subjects(line)),
});
