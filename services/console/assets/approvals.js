// What waits for a second person: the server draws it; this sends a decision as the page was given it, and takes a
// fresh copy of what is left.

import "./session.js";
import { act } from "./exact.js";
import { onSubmits, refresh } from "./fresh.js";
import { notice } from "./words.js";

const dialog = document.getElementById("reject-dialog");

/** What the open dialog asks a reason for. */
let rejected = null;

async function decide(path, body) {
  await act(path, body);
  notice("Done.");
  await refresh();
}

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
