// What waits for a second person: the server draws it; this sends decisions, and asks for the reason of a rejection.

import "./session.js";
import { decide } from "./decide.js";
import { onSubmits } from "./fresh.js";

const dialog = document.getElementById("reject-dialog");

/** What the open dialog asks a reason for. */
let rejected = null;

onSubmits({
  decide: async (_, { dataset: { path, body, reason } }) => {
    if (reason === undefined) return decide(path, JSON.parse(body));
    rejected = { path, body };
    dialog.showModal();
  },
  "reject-form": async (form, _, element) => {
    await decide(rejected.path, { ...JSON.parse(rejected.body), reason: String(form.get("reason")) });
    element.reset();
    dialog.close();
  },
});
