// The room page: puts the parts together.

import { role, sub } from "./session.js";
import { showGift } from "./effects.js";
import { loadHistory } from "./history.js";
import { coins } from "./money.js";
import { setUpPanel } from "./panel.js";
import { ranksChanged, watchRanks } from "./ranks.js";
import { setUpRecharge } from "./recharge.js";
import { watchRoom } from "./stream.js";
import { onBalance, settle, watchBalance } from "./wallet.js";
import { notice } from "./words.js";

const HISTORY_SETTLE_MS = 1_200;
const room = document.querySelector(".room");
const own = new Set(); // Orders this page sent.
const list = document.getElementById("history");
let historyPlanned = 0;

const STATE_WORDS = { live: "", waiting: "Reconnecting…", lost: "Not connected. Trying again…" };

function isMine(event) {
  if (own.has(event.order_id)) return true;
  // The short id is a part of the whole; ids of development begin with zeros, so a short part proves little.
  const short = String(event.viewer).replaceAll("-", "");
  return role === "viewer" && short.length >= 8 && sub.replaceAll("-", "").endsWith(short);
}

function historyChanged() {
  if (!list || historyPlanned) return;
  historyPlanned = setTimeout(() => {
    historyPlanned = 0;
    loadHistory(list).catch(() => {}); // What is shown stays; the next change asks again.
  }, HISTORY_SETTLE_MS);
}

watchRanks(room.dataset.room);
watchRoom(room.dataset.room, {
  gift(event) {
    const mine = isMine(event);
    showGift(event, mine);
    ranksChanged();
    if (mine) settle();
  },
  returned(event) {
    ranksChanged();
    if (!isMine(event)) return;
    const back = event.kind === "refunded" ? `${coins(event.coins)} coins of a gift came back.` : null;
    notice(back ?? "A gift of yours could not be shown. Its coins are on their way back.");
    settle();
  },
  state(state) {
    document.getElementById("link-state").textContent = STATE_WORDS[state];
  },
});

if (role === "viewer") {
  watchBalance();
  setUpRecharge();
  onBalance(historyChanged);
  setUpPanel(room.dataset.room, (order) => {
    if (order.order_id) own.add(order.order_id);
    if (own.size > 500) own.delete(own.values().next().value);
    settle();
  });
}
