// One payout batch: the server draws it; this approves, submits and discards it, and records the bank's word of a line.

import "./session.js";
import { act } from "./act.js";
import { onSubmits, refresh } from "./fresh.js";
import { notice } from "./words.js";

/** Sends a step of the batch whose page this is. */
function step(what, body) {
  const { id } = document.getElementById("batch-page").dataset;
  return act(`/v1/finance/payout-batches/${encodeURIComponent(id)}/${what}`, body);
}

onSubmits({
  "batch-form": async (_, submitter) => {
    await step(submitter.value, {});
    notice("Done.");
    await refresh();
  },
  // What the bank said of one line, as somebody records it.
  "line-form": async (_, { name: outcome, value: lineId }) => {
    const reason = outcome === "rejected" ? window.prompt("What did the bank say?") : null;
    if (outcome === "rejected" && !reason) return;
    await step("confirmations", { lines: [{ line_id: lineId, outcome, ...(reason ? { reason } : {}) }] });
    await refresh();
  },
});
