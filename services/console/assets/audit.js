// The audit trail, newest first, and whether it is whole.

import { LONG_WAIT_MS } from "./api.js";
import { asked, at, fill, keepFields, link, made, onSubmit, pages, person, row, shortId, show, time, wholeCoins, words } from "./desk.js";
import { read } from "./exact.js";
import { element } from "./words.js";

const PAGE_LEN = 100;
const UUID = /^[0-9a-f]{8}-/;
const BREAKS = "breaks";
const trail = asked.get("trail") || BREAKS;
const path = `/v1/finance/audit/${encodeURIComponent(trail)}`;

/** What a row is about: a break has its page. */
function subjectOf(subject) {
  if (!UUID.test(subject)) return subject;
  return trail === BREAKS ? link(`/finance/breaks/${subject}`, shortId(subject).textContent, "id") : shortId(subject);
}

function stepRow(step) {
  const whole = element("details", "");
  whole.append(element("summary", "", words(step.act)), element("code", "json", JSON.stringify(step.body, null, 1)));
  const hash = element("code", "id", step.hash.slice(0, 12));
  hash.title = step.hash;
  return row({ number: wholeCoins(step.seq) }, time(step.at), person(step.actor), whole, subjectOf(step.subject), hash);
}

function verdict({ rows, head, fault, unexplained }) {
  const isWhole = !fault && unexplained.length === 0;
  const lines = [element("p", `verdict ${isWhole ? "good" : "bad"}`, isWhole ? `The trail is whole: ${wholeCoins(rows)} rows` : "The trail is NOT whole")];
  if (fault) lines.push(element("p", "error", `Row ${fault.seq}: ${words(fault.kind).toLowerCase()}.`));
  if (unexplained.length > 0) {
    const list = element("ul", "plain");
    for (const id of unexplained) list.append(made("li", "", trail === BREAKS ? link(`/finance/breaks/${id}`, id) : id));
    lines.push(element("p", "error", "These stand otherwise than their steps say:"), list);
  }
  if (head) lines.push(element("p", "muted", "Keep its end elsewhere; it is an anchor later:"), element("code", "json", head));
  return lines;
}

onSubmit(at("verify-form"), async (form) => {
  at("verified").replaceChildren(element("p", "muted", "Reading every row…"));
  try {
    const found = await read(`${path}/verification`, { anchor: String(form.get("anchor")).trim() }, { waitMs: LONG_WAIT_MS });
    at("verified").replaceChildren(...verdict(found));
  } catch (error) {
    at("verified").replaceChildren();
    throw error;
  }
});
keepFields(document.querySelector("form.filters"));
show("steps", () => read(path, { subject: asked.get("subject"), before: asked.get("before"), limit: PAGE_LEN }), ({ steps }) => {
  const last = steps.length === PAGE_LEN ? steps.at(-1) : null;
  pages({ before: null }, last && { before: last.seq });
  return fill("steps", steps.map(stepRow), "The trail says nothing of this.");
});
