// Runs of a day: the server draws them; this asks for another, and opens it.

import "./session.js";
import { newKey } from "./api.js";
import { act } from "./act.js";
import { onSubmits } from "./fresh.js";

onSubmits({
  "run-form": async (_, submitter, { dataset: { day } }) => {
    const runId = newKey();
    await act("/v1/finance/recon-runs", { run_id: runId, day });
    location.assign(`/finance/runs/${runId}`);
  },
});
