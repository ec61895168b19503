// Versions of the matching rules, and what one would have done on a past day.

import { LONG_WAIT_MS, call } from "./api.js";
import { at, show, stateBadge, words } from "./desk.js";
import { parseExact, read, address } from "./exact.js";
import { factsOf, listIn } from "./shapes.js";
import { element } from "./words.js";

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

show("rules", () => read("/v1/finance/matching-rules"), (answer) => {
  const list = listIn(answer);
  at("rules").replaceChildren(...list.map(versionCard));
  return list.length === 0 ? "There is no version." : "";
});
at("dry-run-form").addEventListener("submit", (event) => event.preventDefault());
