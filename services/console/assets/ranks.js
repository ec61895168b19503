// Who has given most in this room. Asked for after gifts, but never more than once in a while.

import { call } from "./api.js";
import { coins } from "./money.js";
import { element } from "./words.js";

const EVERY_MS = 15_000;
const AT_MOST_EVERY_MS = 2_500;

let room = "";
let planned = 0;
let asked = 0;

export function watchRanks(roomId) {
  room = roomId;
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, EVERY_MS);
}

/** Something changed: asks soon. */
export function ranksChanged() {
  if (planned) return;
  planned = setTimeout(refresh, Math.max(300, asked + AT_MOST_EVERY_MS - Date.now()));
}

async function refresh() {
  clearTimeout(planned);
  planned = 0;
  asked = Date.now();
  try {
    const { ranks } = await call("GET", `/v1/rooms/${room}/ranks`);
    show(ranks.slice(0, 10));
  } catch {
    // What is shown stays; the next gift or the next interval asks again.
  }
}

function show(ranks) {
  const list = document.getElementById("ranks");
  if (!list || ranks.length === 0) return;
  list.replaceChildren(
    ...ranks.map(({ viewer, coins: given }, at) => {
      const line = element("li", at < 3 ? `rank top-${at + 1}` : "rank");
      line.append(element("span", "rank-place", String(at + 1)));
      line.append(element("span", "rank-viewer", viewer));
      line.append(element("span", "rank-coins number", coins(given)));
      return line;
    }),
  );
}
