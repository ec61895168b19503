// The catalogue as this page knows it, and how large an effect a charge deserves.

import { call } from "./api.js";

/** Charges from which an effect is a banner, or fills the stage. In coins. */
export const BANNER_FROM_COINS = 5_000;
export const FULL_FROM_COINS = 100_000;

let gifts = new Map();
let asked = 0;

function keep(list) {
  gifts = new Map(list.map((gift) => [gift.gift_id, gift]));
}

const embedded = document.getElementById("catalogue");
if (embedded) keep(JSON.parse(embedded.textContent));

/** A gift by its number; one this page does not know is asked for, at most once a minute. */
export function gift(id) {
  const known = gifts.get(id);
  if (!known && Date.now() - asked > 60_000) {
    asked = Date.now();
    call("GET", "/v1/gifts").then((answer) => keep(answer.gifts)).catch(() => {});
  }
  return known || { gift_id: id, name: `Gift ${id}`, glyph: "🎁", price_coins: 0, outcomes: [] };
}

/** How large the effect of a charge is. */
export function tier(chargeCoins) {
  if (chargeCoins >= FULL_FROM_COINS) return "full";
  return chargeCoins >= BANNER_FROM_COINS ? "banner" : "line";
}
