// One run: how far it is, and its report.

import { call } from "./api.js";
import { at, show } from "./desk.js";
import { read } from "./exact.js";
import { factsOf } from "./shapes.js";

const EVERY_MS = 2_000;
const id = at("run-page").dataset.id;
const path = `/v1/finance/recon-runs/${encodeURIComponent(id)}`;
let hasReport = false;

async function loadReport() {
  hasReport = await show("report", () => call("GET", `${path}/report`, { text: true }), (text) => {
    at("report").textContent = text;
    return text === "" ? "It says nothing." : "";
  });
}

const load = () =>
  show("run", () => read(path), async (run) => {
    at("run").replaceChildren(factsOf(run));
    const total = Number(run.rows_total ?? 0);
    at("progress").hidden = total === 0;
    at("progress").max = Math.max(1, total);
    at("progress").value = Number(run.rows_done ?? 0);
    const isDone = Boolean(run.ended_at);
    if (isDone && !hasReport) await loadReport();
    else if (!isDone) at("report-state").textContent = "The report is there once the run has ended.";
    if (!isDone) setTimeout(load, EVERY_MS);
  });

load().then((isThere) => {
  if (!isThere) at("report-state").textContent = "";
});
