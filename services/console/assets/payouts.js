// Payouts: the server draws them; this builds batches, asks for payouts, cancels what was asked for, gives accounts.

import "./session.js";
import { newKey } from "./api.js";
import { act } from "./act.js";
import { onSubmits, refresh } from "./fresh.js";
import { microsOfText, yuanOfMinor } from "./money.js";
import { notice } from "./words.js";

/** Minor units of an amount that somebody typed, as a JSON number: exact, or an error. */
function minorOfText(text) {
  const micros = microsOfText(text);
  const amount = Number(micros / 1_000_000n);
  if (micros % 1_000_000n !== 0n || !Number.isSafeInteger(amount)) throw new Error(`"${text}" is no amount in yuan and fen.`);
  return amount;
}

const textIn = (form) => (name) => String(form.get(name)).trim();

onSubmits({
  "build-form": async () => {
    const built = await act("/v1/finance/payout-batches", { batch_id: newKey() });
    location.assign(`/finance/payouts/${built.batch_id}`);
  },
  "cancel-form": async (_, submitter) => {
    await act(`/v1/finance/payout-requests/${encodeURIComponent(submitter.value)}/cancel`, {});
    notice("Cancelled.");
    await refresh();
  },
  "ask-form": async (form) => {
    const text = textIn(form);
    const body = { request_id: newKey(), payee: text("payee"), payee_id: text("payee_id") };
    if (text("amount") !== "") body.amount_minor = minorOfText(text("amount"));
    const request = await act("/v1/finance/payout-requests", body);
    notice(`Asked for ${yuanOfMinor(request.amount_minor)}.`);
    await refresh();
  },
  "account-form": async (form, _, element) => {
    const text = textIn(form);
    const body = { account_id: newKey(), payee: text("payee"), payee_id: text("payee_id"), holder: text("holder"), account_no: text("account_no"), bank_code: text("bank_code") };
    await act("/v1/finance/payee-accounts", body);
    element.reset();
    notice("The account waits for another person.");
  },
});
