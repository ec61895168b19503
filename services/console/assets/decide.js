// A decision that a page offers: sent as the page was given it, then a fresh copy of what is left.

import { act } from "./act.js";
import { refresh } from "./fresh.js";
import { notice } from "./words.js";

export async function decide(path, body) {
  await act(path, body);
  notice("Done.");
  await refresh();
}
