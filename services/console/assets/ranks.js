// Who has given most in this room, and how many gifts it got today. Asked for after gifts, but never more than once in a while.

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
    const { ranks, gift_count: gifts } = await call("GET", `/v1/rooms/${room}/ranks`);
    show(ranks.slice(0, 10));
    showCount(gifts);
  } catch {
    // What is shown stays; the next gift or the next interval asks again.
  }
}

/** Nothing is said of a count that is not known, or of none. */
function showCount(gifts) {
  const place = document.getElementById("gift-count");
  if (place && gifts > 0) place.textContent = gifts === 1 ? "1 gift today" : `${gifts.toLocaleString("en")} gifts today`;
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
