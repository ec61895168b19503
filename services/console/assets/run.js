// One run: the server draws it; this takes fresh copies until it has ended.

import "./session.js";
import { refresh } from "./fresh.js";

const EVERY_MS = 2_000;

const looking = setInterval(async () => {
  if (document.querySelector("[data-live]") === null) clearInterval(looking);
  else if (!document.hidden) await refresh();
}, EVERY_MS);
