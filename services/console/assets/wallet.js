// The balance in the header: what answers say at once, and what the wallet says when things are quiet.

import { call } from "./api.js";
import { coins } from "./money.js";

/** How long after the last change the wallet is asked what is committed. */
const SETTLE_MS = 800;

let settling = 0;
let available = null;
const listeners = new Set();

/** Calls `listener` with every new balance. */
export function onBalance(listener) {
  listeners.add(listener);
  if (available) listener(available);
}

/** Coins that can be spent, or `null` while nobody has said. */
export function spendable() {
  return available ? available.paid_coins + available.promo_coins : null;
}

/** Shows a balance that an answer carried, and asks again soon: answers may overtake each other. */
export function showBalance(funds) {
  show({ available: funds });
  settle();
}

export function settle() {
  clearTimeout(settling);
  settling = setTimeout(refresh, SETTLE_MS);
}

/** Asks the wallet. */
export async function refresh() {
  try {
    const wallet = await call("GET", "/v1/wallet");
    show(wallet);
    return wallet;
  } catch {
    return null; // What is shown stays; the next change asks again.
  }
}

function show(wallet) {
  available = wallet.available;
  const place = document.getElementById("balance-coins");
  if (place) place.textContent = coins(spendable());
  for (const listener of listeners) listener(wallet.available, wallet);
}

/** Keeps the balance in the header fresh. Where there is no recharge dialog, the button leads to one. */
export function watchBalance() {
  refresh();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  const button = document.getElementById("balance");
  if (button && !document.getElementById("recharge-dialog")) {
    button.addEventListener("click", () => location.assign("/me"));
  }
}
