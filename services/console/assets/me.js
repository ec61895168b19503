// The viewer's own page: figures and the whole history, page by page.

import { loadHistory } from "./history.js";
import { coins } from "./money.js";
import { setUpRecharge } from "./recharge.js";
import { role } from "./session.js";
import { onBalance, watchBalance } from "./wallet.js";
import { notice, say } from "./words.js";

const at = (id) => document.getElementById(id);
const list = at("history");
let next;

async function load(beforeSeq) {
  try {
    next = await loadHistory(list, beforeSeq);
    at("more").hidden = next === undefined;
    at("no-history").hidden = list.childElementCount > 0;
  } catch (error) {
    notice(say(error), "bad");
  }
}

function showFigures(available, wallet) {
  at("paid-coins").textContent = coins(available.paid_coins);
  at("promo-coins").textContent = coins(available.promo_coins);
  if (wallet?.held) at("held-coins").textContent = coins(wallet.held.paid_coins + wallet.held.promo_coins);
}

if (role === "viewer") {
  let spendable = -1;
  onBalance((available, wallet) => {
    showFigures(available, wallet);
    const now = available.paid_coins + available.promo_coins;
    if (now !== spendable) load();
    spendable = now;
  });
  watchBalance();
  setUpRecharge();
  at("more").addEventListener("click", () => load(next));
}
