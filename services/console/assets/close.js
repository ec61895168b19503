// Closing a period: the server draws what must hold; this asks for the steps that take two people.

import "./session.js";
import { newKey } from "./api.js";
import { act } from "./act.js";
import { onSubmits, refresh } from "./fresh.js";
import { notice } from "./words.js";

const DONE = { "soft-lock": "Locked softly.", close: "Asked for: another person closes it, or it is closed.", reopen: "Asked for: another person reopens it, or it is reopened." };

onSubmits({
  "step-form": async (form, submitter, element) => {
    const reason = String(form.get("reason")).trim();
    const path = `/v1/finance/periods/${encodeURIComponent(element.dataset.period)}/${submitter.value}`;
    await act(path, { request_id: newKey(), ...(reason === "" ? {} : { reason }) });
    notice(DONE[submitter.value]);
    await refresh();
  },
});
