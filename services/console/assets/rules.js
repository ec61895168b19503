// Versions of the matching rules, and what one would have done on a past day.

import { LONG_WAIT_MS, call } from "./api.js";
import { at, isMaker, onSubmit, show, stateBadge, words } from "./desk.js";
import { act, parseExact, read, address } from "./exact.js";
import { factsOf, listIn } from "./shapes.js";
import { element, notice } from "./words.js";

let versions = [];

async function dryRun({ version, scope }) {
  const day = at("dry-day").value;
  at("dry-card").hidden = false;
  at("dry-title").textContent = `Dry run of version ${version} against ${day}`;
  at("dry").replaceChildren();
  at("dry-title").focus();
  const path = address(`/v1/finance/matching-rules/${encodeURIComponent(version)}/dry-run`, { day, scope });
  const ask = async () => parseExact(await call("POST", path, { text: true, waitMs: LONG_WAIT_MS }));
  await show("dry", ask, (answer) => at("dry").replaceChildren(factsOf(answer)));
}

function versionCard(of) {
  const card = element("article", "proposal");
  const heading = element("h3", "", `${of.scope ? `${words(of.scope)}, ` : ""}version ${of.version} `);
  if (of.state) heading.append(stateBadge(of.state));
  card.append(heading, factsOf(of, ["version", "state", "scope"]));
  // It keeps nothing, so whoever reads may try it.
  const run = element("button", "quiet", "Dry run");
  run.type = "button";
  run.addEventListener("click", () => dryRun(of));
  card.append(run);
  return card;
}

/** The newest version of a scope with the next number: what a proposal begins with. */
function begin() {
  const scope = at("scope").value;
  const newest = versions.filter((of) => of.scope === scope).sort((a, b) => b.version - a.version)[0];
  if (!newest) return;
  at("rules-text").value = JSON.stringify({ ...newest.rules, version: Number(newest.version) + 1 }, null, 2);
}

const load = () =>
  show("rules", () => read("/v1/finance/matching-rules"), (answer) => {
    versions = listIn(answer);
    at("rules").replaceChildren(...versions.map(versionCard));
    begin();
    return versions.length === 0 ? "There is no version." : "";
  });

at("propose-card").hidden = !isMaker;
at("scope").addEventListener("change", begin);
onSubmit(at("propose-form"), async (form) => {
  let rules;
  try {
    rules = JSON.parse(String(form.get("rules")));
  } catch (error) {
    throw new Error(`The rules are no JSON: ${error.message}`);
  }
  const proposed = await act("/v1/finance/matching-rules", { scope: form.get("scope"), rules, reason: String(form.get("reason")).trim() });
  notice("It waits for another person.");
  await load();
  await dryRun(proposed);
});
load();
at("dry-run-form").addEventListener("submit", (event) => event.preventDefault());
