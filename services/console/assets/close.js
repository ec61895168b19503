// Closing a period: what must hold, and the steps that take two people.

import { newKey } from "./api.js";
import { asked, at, fill, isWorker, keepFields, link, onSubmit, row, show, stateBadge, words } from "./desk.js";
import { act, read } from "./exact.js";
import { listIn, listOf } from "./shapes.js";
import { element, notice } from "./words.js";

const period = asked.get("period") || at("period-form").dataset.day;
const path = `/v1/finance/periods/${encodeURIComponent(period)}`;

function lineRow(line) {
  const detail = element("ul", "plain");
  for (const what of line.detail ?? []) detail.append(element("li", "", what));
  return row({ head: words(line.name) }, stateBadge(line.state), line.figure ?? "—", detail.childElementCount > 0 ? detail : "—");
}

const loadChecklist = async () => {
  at("checklist-title").textContent = `Checklist of ${period}`;
  const isThere = await show("checklist", () => read(`${path}/checklist`), (list) => {
    at("can-close").textContent = list.can_close ? "It can be closed" : "It cannot be closed yet";
    at("can-close").className = `verdict ${list.can_close ? "good" : "bad"}`;
    return fill("checklist", (list.lines ?? listIn(list)).map(lineRow), "There is no condition.");
  });
  at("step-form").hidden = !isThere || !isWorker;
};

const loadPeriods = () =>
  show("periods", () => read("/v1/finance/periods"), (answer) => {
    const list = listIn(answer);
    const name = (of) => of.period ?? of.day;
    const cells = { [list[0] && "period" in list[0] ? "period" : "day"]: (of) => link(`/finance/close?period=${name(of)}`, name(of)) };
    at("periods").replaceChildren(...(list.length === 0 ? [] : [listOf("Periods", list, cells)]));
    const asks = answer.requests ?? [];
    at("steps").replaceChildren(...(asks.length === 0 ? [] : [listOf("Steps that were asked for", asks, { period: (of) => link(`/finance/close?period=${of.period}`, of.period) })]));
    at("steps-state").textContent = asks.length === 0 ? "No step was asked for." : "";
    at("steps-state").className = "state empty-state";
    return list.length === 0 ? "Nothing was posted yet." : "";
  });

loadPeriods().then((isThere) => {
  if (!isThere) at("steps-state").textContent = "";
});

const DONE = { "soft-lock": "Locked softly.", close: "Asked for: another person closes it, or it is closed.", reopen: "Asked for: another person reopens it, or it is reopened." };

onSubmit(at("step-form"), async (form, submitter) => {
  const reason = String(form.get("reason")).trim();
  await act(`${path}/${submitter.value}`, { request_id: newKey(), ...(reason === "" ? {} : { reason }) });
  notice(DONE[submitter.value]);
  await Promise.all([loadChecklist(), loadPeriods()]);
});
keepFields(at("period-form"));
loadChecklist();
