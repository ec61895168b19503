// Recharge in the sandbox: ask, pay, wait until the coins are there.

import { callUntilAnswered, newKey, wait } from "./api.js";
import { coins, yuanOfMinor } from "./money.js";
import { refresh, spendable } from "./wallet.js";
import { notice, say } from "./words.js";

/** How long the coins may take before the page stops watching for them. */
const ARRIVAL_WAIT_MS = 20_000;

const at = (id) => document.getElementById(id);

export function setUpRecharge() {
  const dialog = at("recharge-dialog");
  const form = at("recharge-form");
  if (!dialog || !form) return;
  at("balance")?.addEventListener("click", () => {
    at("recharge-error").textContent = "";
    at("recharge-status").textContent = "";
    dialog.showModal();
  });
  form.addEventListener("change", () => {
    at("recharge-pay").textContent = `Pay ${yuanOfMinor(chosen(form)).replace(/\.00$/, "")}`;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pay(dialog, chosen(form));
  });
}

function chosen(form) {
  return Number(new FormData(form).get("amount"));
}

async function pay(dialog, amountMinor) {
  const button = at("recharge-pay");
  button.disabled = true;
  at("recharge-error").textContent = "";
  at("recharge-status").textContent = "Paying…";
  try {
    await refresh();
    const before = spendable() ?? 0;
    const key = newKey();
    const body = { amount_minor: amountMinor, channel: "sandbox" };
    const recharge = await callUntilAnswered("POST", "/v1/recharges", { body, key });
    const payment = { recharge_id: recharge.recharge_id };
    await callUntilAnswered("POST", "/v1/sandbox/payments", { body: payment, key: newKey() });
    at("recharge-status").textContent = "Paid. The coins are on their way…";
    const gained = await coinsArrived(before);
    dialog.close("paid");
    notice(gained > 0 ? `${coins(gained)} coins arrived.` : "Paid. The coins will arrive in a moment.", "good");
  } catch (error) {
    at("recharge-error").textContent = say(error);
  } finally {
    at("recharge-status").textContent = "";
    button.disabled = false;
  }
}

async function coinsArrived(before) {
  const deadline = Date.now() + ARRIVAL_WAIT_MS;
  while (Date.now() < deadline) {
    await refresh();
    const gained = (spendable() ?? before) - before;
    if (gained > 0) return gained;
    await wait(250);
  }
  return 0;
}
