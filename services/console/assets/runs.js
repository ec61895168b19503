// Runs of a day, and the files that channels and banks sent about it.

import { newKey } from "./api.js";
import { asked, at, isMaker, keepFields, link, onSubmit, shortId, show } from "./desk.js";
import { act, read } from "./exact.js";
import { factsOf, listIn, listOf } from "./shapes.js";

const day = asked.get("day") || at("day-form").dataset.day;

function showRuns(answer) {
  const list = listIn(answer);
  const run = (of) => link(`/finance/runs/${of.run_id}`, shortId(of.run_id).textContent);
  at("runs").replaceChildren(...(list.length === 0 ? [] : [listOf("Runs of the day", list, { run_id: run })]));
  if (list.length > 1) showDiff(list[1].run_id, list[0].run_id);
  return list.length === 0 ? "The day was not run." : "";
}

/** A repeated run says the same, byte for byte, unless something changed in between: then this names it. */
function showDiff(before, after) {
  at("diff-card").hidden = false;
  show("diff", () => read(`/v1/finance/recon-runs/${before}/diff/${after}`), (answer) => {
    at("diff").replaceChildren(factsOf(answer));
  });
}

function showBills(answer) {
  const list = listIn(answer);
  at("bills").replaceChildren(...(list.length === 0 ? [] : [listOf("Files", list)]));
  return list.length === 0 ? "No file about this day came in." : "";
}

onSubmit(at("run-form"), async () => {
  const runId = newKey();
  await act("/v1/finance/recon-runs", { run_id: runId, day });
  location.assign(`/finance/runs/${runId}`);
});
keepFields(at("day-form"));
show("runs", () => read("/v1/finance/recon-runs", { day }), showRuns).then((isThere) => {
  at("run-form").hidden = !isThere || !isMaker;
});
show("bills", () => read("/v1/finance/bills", { day }), showBills);
