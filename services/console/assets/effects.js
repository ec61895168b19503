// Effects on the stage: a line for a small gift, a banner for a larger one, the whole stage for the largest.
//
// Every queue has a limit. What does not fit becomes a line, and lines push out the oldest: nothing waits for
// longer than people look.

import { gift, tier } from "./gifts.js";
import { coins } from "./money.js";
import { element } from "./words.js";

const LINES_MAX = 6;
const LINE_MS = 9_000;
const BANNERS_MAX = 2;
const BANNER_MS = 4_200;
const BANNERS_WAITING_MAX = 12;
const FULL_MS = 4_800;
const FULL_WAITING_MAX = 4;
/** How often a reader of screens is told something, at most. */
const SPEAK_EVERY_MS = 2_500;

const at = (id) => document.getElementById(id);
const waiting = { banner: [], full: [] };
const showing = { banner: 0, full: 0 };
const combos = new Map(); // combo id → the element that shows it

/** Shows one gift. `mine` marks the viewer's own. */
export function showGift(event, mine) {
  const worth = worthOf(event);
  const shown = { event, mine, worth, gift: gift(event.gift_id) };
  speak(shown);
  const size = tier(worth);
  if (size === "full") return enqueue("full", FULL_WAITING_MAX, shown);
  if (size === "banner") return continueCombo(shown) || enqueue("banner", BANNERS_WAITING_MAX, shown);
  return continueCombo(shown) || showLine(shown);
}

/** A blind box is as large as what was in it; everything else as what it cost. */
function worthOf(event) {
  const inside = (event.reveals || []).reduce((sum, reveal) => sum + reveal.value_coins * reveal.count, 0);
  return Math.max(event.charge_coins, inside);
}

function enqueue(kind, limit, shown) {
  if (waiting[kind].length >= limit) return showLine(shown);
  waiting[kind].push(shown);
  return advance(kind);
}

function advance(kind) {
  const most = kind === "full" ? 1 : BANNERS_MAX;
  while (showing[kind] < most && waiting[kind].length > 0) {
    const shown = waiting[kind].shift();
    if (kind === "full") showFull(shown);
    else showBanner(shown);
  }
}

function continueCombo({ event, mine }) {
  const known = event.combo && combos.get(event.combo.combo_id);
  if (!known?.isConnected) return false;
  known.classList.toggle("mine", mine);
  const count = known.querySelector(".effect-count");
  count.textContent = `×${event.combo.count}`;
  count.classList.remove("bump");
  void count.offsetWidth; // Starts the small animation over.
  count.classList.add("bump");
  return true;
}

function filled(name, { event, mine, gift: sent, worth }) {
  const effect = element(name, mine ? "effect mine" : "effect");
  effect.dataset.order = event.order_id;
  const words = element("span", "effect-words");
  words.append(element("strong", "effect-viewer", mine ? "You" : event.viewer), " sent ");
  words.append(element("span", "effect-gift", sent.name));
  const reveals = (event.reveals || []).map((reveal) => `${gift(reveal.gift_id).name} ×${reveal.count}`);
  if (reveals.length > 0) words.append(element("span", "effect-reveals", ` · inside: ${reveals.join(", ")}`));
  effect.append(element("span", "effect-glyph", sent.glyph), words);
  effect.append(element("span", "effect-count", `×${event.combo ? event.combo.count : event.quantity}`));
  effect.append(element("span", "effect-worth", coins(worth)));
  if (event.combo) {
    combos.set(event.combo.combo_id, effect);
    if (combos.size > 200) combos.delete(combos.keys().next().value);
  }
  return effect;
}

function showLine(shown) {
  const lines = at("lines");
  while (lines.childElementCount >= LINES_MAX) lines.firstElementChild.remove();
  const line = filled("p", shown);
  line.classList.add("line");
  lines.append(line);
  setTimeout(() => line.remove(), LINE_MS);
}

function showBanner(shown) {
  showing.banner += 1;
  const banner = filled("div", shown);
  banner.classList.add("banner");
  at("banners").append(banner);
  setTimeout(() => {
    banner.remove();
    showing.banner -= 1;
    advance("banner");
  }, BANNER_MS);
}

function showFull(shown) {
  showing.full += 1;
  const full = filled("div", shown);
  full.classList.add("whole");
  full.prepend(element("span", "rays"));
  at("full").append(full);
  setTimeout(() => {
    full.remove();
    showing.full -= 1;
    advance("full");
  }, FULL_MS);
}

let spokenAt = 0;
let unspoken = 0;
let speaking = 0;

/** Tells the newest gift, and how many went by since the last one told. */
function speak({ event, mine, gift: sent }) {
  const others = unspoken > 0 ? `, after ${unspoken} more` : "";
  const words = `${mine ? "You" : event.viewer} sent ${sent.name} times ${event.quantity}${others}`;
  unspoken += 1;
  clearTimeout(speaking);
  const due = Math.max(0, spokenAt + SPEAK_EVERY_MS - Date.now());
  speaking = setTimeout(() => {
    at("spoken").textContent = words;
    spokenAt = Date.now();
    unspoken = 0;
  }, due);
}
