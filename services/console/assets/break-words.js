// An action about a break, in words.

import { wholeCoins, words } from "./desk.js";

const NAMES = { paid_coins: "paid coins", promo_coins: "promotional coins", viewer_id: "viewer", order_id: "order" };

/** An action in words: what, and with what. */
export function actionWords(action) {
  const said = [words(action.action)];
  for (const [name, value] of Object.entries(action.funds ?? action)) {
    if (name === "action" || name === "lines") continue;
    said.push(`${NAMES[name] ?? name.replaceAll("_", " ")} ${typeof value === "number" ? wholeCoins(value) : value}`);
  }
  if (action.viewer_id && action.funds) said.push(`to viewer ${action.viewer_id}`);
  return said.join(" · ");
}
