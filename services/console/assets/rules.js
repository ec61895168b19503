// Matching rules: the server draws versions and dry runs; this begins, sends and decides proposals.

import "./session.js";
import { decide } from "./decide.js";
import { act, address } from "./act.js";
import { onSubmits } from "./fresh.js";

onSubmits({
  decide: (_, { dataset: { path, body } }) => decide(path, JSON.parse(body)),
  "propose-form": async (form) => {
    let rules;
    try {
      rules = JSON.parse(String(form.get("rules")));
    } catch (error) {
      throw new Error(`The rules are no JSON: ${error.message}`);
    }
    const { scope, version } = await act("/v1/finance/matching-rules", { scope: form.get("scope"), rules, reason: String(form.get("reason")).trim() });
    location.assign(address("/finance/rules", { scope, version }));
  },
});

// Rules of another kind begin with its newest version.
document.querySelector("#scope")?.addEventListener("change", ({ target }) => {
  document.querySelector("#rules-text").value = target.selectedOptions[0].dataset.next;
});
