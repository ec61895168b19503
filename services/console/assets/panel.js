// The gift panel: choosing, confirming, sending, and saying what came of it.

import { newKey } from "./api.js";
import { endCombo, offerCombo, setUpCombo } from "./combo.js";
import { gift } from "./gifts.js";
import { coins } from "./money.js";
import { PENDING_MAX, pending, resume, send } from "./outbox.js";
import { showBalance } from "./wallet.js";
import { element, notice, outcomeWords, say } from "./words.js";

/** A send that charges more than this asks first. In coins. */
export const CONFIRM_OVER_COINS = 50_000;

const QUANTITY_MAX = 9_999;
const at = (id) => document.getElementById(id);
const form = at("gift-form");
let roomId = "";
let sent = () => {};

/** Makes the panel work. `onSent(order)` hears of each accepted send. */
export function setUpPanel(room, onSent) {
  roomId = room;
  sent = onSent;
  if (!form) return;
  form.addEventListener("change", draw);
  at("own-quantity").addEventListener("input", () => {
    for (const choice of form.querySelectorAll("[name=quantity]")) choice.checked = false;
    draw();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendChosen();
  });
  at("show-odds").addEventListener("click", showOdds);
  setUpCombo((last) => deliver(last));
  draw();
  resume({
    onFound(order, body, how) {
      const went = accepted(order, body, how === "found");
      if (went && how === "found") notice(`${what(body)} had gone through before the connection broke.`, "good");
    },
    onRefused: (error, body) => notice(`${what(body)}: ${say(error)}`, "bad"),
    askAgain: (body) => confirmed(body, "This send never arrived. Send it now?"),
  });
}

function what(body) {
  return `${gift(body.gift_id).name} ×${body.quantity}`;
}

function chosen() {
  const choice = new FormData(form);
  const own = at("own-quantity").valueAsNumber;
  const quantity = choice.get("quantity") ? Number(choice.get("quantity")) : own;
  if (choice.get("quantity")) at("own-quantity").value = "";
  return { room_id: roomId, gift_id: Number(choice.get("gift")), quantity };
}

function charge(body) {
  return gift(body.gift_id).price_coins * body.quantity;
}

function isSendable(body) {
  return Number.isInteger(body.quantity) && body.quantity >= 1 && body.quantity <= QUANTITY_MAX && body.gift_id > 0;
}

function draw() {
  const body = chosen();
  const box = gift(body.gift_id);
  at("show-odds").hidden = box.kind !== "blind_box";
  at("send-what").textContent = isSendable(body) ? `Send ${box.glyph} ×${coins(body.quantity)}` : "Choose a quantity";
  at("send-charge").textContent = isSendable(body) ? coins(charge(body)) : "";
  at("send").disabled = !isSendable(body) || at("send").dataset.sending === "yes";
}

async function sendChosen() {
  const body = chosen();
  if (!isSendable(body) || at("send").dataset.sending === "yes") return;
  if (charge(body) > CONFIRM_OVER_COINS && !(await confirmed(body, "Send this gift?"))) return;
  endCombo();
  at("send").dataset.sending = "yes";
  draw();
  await deliver(body);
  at("send").dataset.sending = "";
  draw();
}

function confirmed(body, question) {
  const dialog = at("confirm-dialog");
  at("confirm-title").textContent = question;
  at("confirm-glyph").textContent = gift(body.gift_id).glyph;
  at("confirm-what").textContent = what(body);
  at("confirm-charge").textContent = coins(charge(body));
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function deliver(body) {
  at("send-error").textContent = "";
  if (pending().length >= PENDING_MAX) {
    at("send-error").textContent = "Too many gifts wait for the connection. They are safe; give it a moment.";
    return;
  }
  try {
    const order = await send(newKey(), body, () => {
      at("send-pending").textContent = "The connection is slow. Your gift is kept and will be charged once.";
    });
    at("send-pending").textContent = "";
    accepted(order, body, false);
  } catch (error) {
    at("send-pending").textContent = "";
    refused(say(error), error.slug);
  }
}

/** Shows what an answer says; gives whether the gift was sent. */
function accepted(order, body, isOld) {
  if (order.available) showBalance(order.available);
  const outcome = String(order.outcome || "accepted");
  if (outcome !== "accepted" && outcome !== "free") {
    refused(outcomeWords(outcome), outcome);
    return false;
  }
  sent(order, body);
  if (!isOld) offerCombo(body, order.combo);
  const inside = (order.reveals || []).map((reveal) => `${gift(reveal.gift_id).name} ×${reveal.count}`);
  if (inside.length > 0) notice(`Inside the box: ${inside.join(", ")}.`, "good");
  return true;
}

function refused(words, slug) {
  at("send-error").textContent = words;
  endCombo();
  if (slug === "not-enough-coins") {
    const open = element("button", "link", "Recharge");
    open.type = "button";
    open.addEventListener("click", () => at("balance").click());
    at("send-error").append(" ", open);
  }
}

function showOdds() {
  const box = gift(chosen().gift_id);
  at("odds-title").textContent = `Odds of ${box.name}`;
  const outcomes = [...(box.outcomes || [])].sort((one, other) => other.odds_ppm - one.odds_ppm);
  at("odds-rows").replaceChildren(
    ...outcomes.map((outcome) => {
      const row = element("tr");
      const inside = gift(outcome.gift_id);
      row.append(element("td", "", `${inside.glyph} ${inside.name}`));
      row.append(element("td", "number", coins(outcome.value_coins)));
      row.append(element("td", "number", percent(outcome.odds_ppm)));
      return row;
    }),
  );
  at("odds-dialog").showModal();
}

/** Parts per million as per cent, exact: four decimals at most, none that are zero. */
function percent(ppm) {
  const rest = String(ppm % 10_000).padStart(4, "0").replace(/0+$/, "");
  return `${Math.floor(ppm / 10_000)}${rest ? `.${rest}` : ""} %`;
}
