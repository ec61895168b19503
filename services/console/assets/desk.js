// The pieces that finance's pages are made of: tables, states, links, times, people, badges.

import { Lost } from "./api.js";
import { isMissing } from "./exact.js";
import { coins, yuanOfMinor, yuanParts } from "./money.js";
import { role, sub } from "./session.js";
import { element, say } from "./words.js";

export const at = (id) => document.getElementById(id);

/** What the address asks for. */
export const asked = new URLSearchParams(location.search);

/** Who proposes, and who does more than read. The API has the last word. */
export const isMaker = role === "finance" || role === "finance-maker";
export const isWorker = isMaker || role === "finance-checker";

/** This page's address with other members of its query; null takes one out. */
function addressWith(changes) {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined) next.delete(name);
    else next.set(name, String(value));
  }
  const text = next.toString();
  return text === "" ? location.pathname : `${location.pathname}?${text}`;
}

/** An element with children. */
export function made(name, className, ...children) {
  const parent = element(name, className);
  parent.append(...children.filter((child) => child !== null && child !== undefined));
  return parent;
}

export function link(href, text, className) {
  const anchor = element("a", className, text);
  anchor.href = href;
  return anchor;
}

/** Snake case in words. */
export function words(text) {
  const plain = String(text).replaceAll(/[_-]/g, " ");
  return plain.slice(0, 1).toUpperCase() + plain.slice(1);
}

/** Refusals that the API words for programs. */
const REFUSALS = {
  "maker-is-checker": "You made this yourself. Another person must decide it.",
  "break-moved": "Somebody else took a step first. Look at the break again.",
  "step-not-now": "The break does not stand where this could be done. Look at it again.",
  "role-not-allowed": "Your role may not do this.",
};

/** What to tell somebody of finance about an error: the API's own words, which say nothing of charges. */
export function sayWhy(error) {
  if (error?.slug !== undefined) {
    const isSession = /^(token|csrf)-/.test(error.slug);
    return REFUSALS[error.slug] ?? (isSession ? say(error) : error.message);
  }
  if (error instanceof Lost) return `There is no answer from the server just now (${error.message}).`;
  return error?.message ?? String(error);
}

function tell(state, className, text) {
  state.className = `state ${className}`;
  state.textContent = text;
  state.hidden = text === "";
}

/**
 * Reads one part of a page and draws it; the part says by itself that it cannot be read, and the others still show.
 * `draw` gives what to say where there is nothing: a text, or nothing at all.
 */
export async function show(id, reading, draw) {
  const state = at(`${id}-state`);
  try {
    const empty = await draw(await reading());
    tell(state, "empty-state", empty ?? "");
    return true;
  } catch (error) {
    if (isMissing(error)) {
      tell(state, "missing", "Not available: no service here answers this yet.");
      return false;
    }
    tell(state, "error", sayWhy(error));
    const again = element("button", "quiet", "Try again");
    again.type = "button";
    again.addEventListener("click", () => {
      tell(state, "reading", "Reading…");
      show(id, reading, draw);
    });
    state.append(" ", again);
    return false;
  }
}

/** Gives each cell of a row the heading of its column: where a phone stacks cells, it stands before them. */
export function label(table, line) {
  if (!table.classList.contains("stacks")) return;
  const heads = table.tHead.rows[0].cells;
  [...line.cells].forEach((cell, place) => {
    cell.dataset.label = heads[place]?.textContent ?? "";
  });
}

/** Puts rows into a table; gives the text of an empty one. */
export function fill(id, rows, empty, totals = []) {
  const table = at(id);
  for (const line of rows) label(table, line);
  table.tBodies[0].replaceChildren(...rows);
  table.tFoot.replaceChildren(...totals);
  table.hidden = rows.length === 0;
  return rows.length === 0 ? empty : "";
}

/** A row of cells; a number's is `{ number }`, the row's own heading `{ head }`. */
export function row(...cells) {
  const line = element("tr");
  for (const cell of cells) {
    if (cell !== null && typeof cell === "object" && "number" in cell) line.append(made("td", "number", cell.number));
    else if (cell !== null && typeof cell === "object" && "head" in cell) {
      const head = made("th", cell.className ?? "", cell.head);
      head.scope = "row";
      line.append(head);
    } else line.append(made("td", "", cell ?? "—"));
  }
  return line;
}

/** A table that a script makes whole. Columns that begin with `#` are of numbers. */
export function table(caption, columns, rows) {
  const head = element("tr");
  for (const column of columns) {
    const isNumber = column.startsWith("#");
    const cell = element("th", isNumber ? "number" : "", isNumber ? column.slice(1) : column);
    cell.scope = "col";
    head.append(cell);
  }
  const whole = made("table", "", made("caption", "visually-hidden", caption), made("thead", "", head));
  whole.append(made("tbody", "", ...rows));
  const scroll = made("div", "scroll", whole);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", caption);
  return scroll;
}

/** Name and value pairs. */
export function facts(pairs) {
  const list = element("dl", "facts");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(element("dt", "", name), made("dd", "", value));
  }
  return list;
}

/** Coins with thousands apart, exact. */
export const wholeCoins = (amount) => coins(BigInt(amount));

/** Millionths of a minor unit: down to the minor unit, and quieter what is below it. */
export function micros(amount) {
  const [whole, rest] = yuanParts(amount);
  return made("span", BigInt(amount) < 0n ? "below-zero" : "", whole, rest === "" ? null : element("span", "below-minor", rest));
}

/** Minor units of a currency. Those of yuan are hundredths; other currencies say how many decimals they have. */
export function minor(amount, currency = "CNY") {
  if (currency === "CNY") return yuanOfMinor(amount);
  const { maximumFractionDigits: digits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  const value = BigInt(amount);
  const text = String(value < 0n ? -value : value).padStart(digits + 1, "0");
  const whole = coins(BigInt(text.slice(0, text.length - digits)));
  const rest = digits === 0 ? "" : `.${text.slice(text.length - digits)}`;
  return `${value < 0n ? "−" : ""}${currency} ${whole}${rest}`;
}

/** Parts of a million, as percent with two decimals: integers only. */
export function percent(ppm) {
  const hundredths = BigInt(ppm) / 100n;
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")} %`;
}

const STAMP = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** An instant as this reader's clock shows it; the exact one on hovering. */
export function time(iso) {
  if (!iso) return null;
  const shown = element("time", "", STAMP.format(new Date(iso)));
  shown.dateTime = iso;
  shown.title = iso;
  return shown;
}

/** A length of time in its largest unit: 40 s, 5 min, 3 h, 12 d. */
export function span(seconds) {
  const length = Math.abs(Math.trunc(seconds));
  if (length < 120) return `${length} s`;
  if (length < 7_200) return `${Math.trunc(length / 60)} min`;
  if (length < 172_800) return `${Math.trunc(length / 3_600)} h`;
  return `${Math.trunc(length / 86_400)} d`;
}

export function age(iso) {
  const shown = element("time", "", span((Date.now() - Date.parse(iso)) / 1_000));
  shown.dateTime = iso;
  shown.title = STAMP.format(new Date(iso));
  return shown;
}

/** The clock of what should be done by an instant. */
export function due(iso, isDone) {
  if (!iso) return "—";
  const left = (Date.parse(iso) - Date.now()) / 1_000;
  if (isDone) return time(iso);
  const late = left < 0;
  const shown = element("time", late ? "due late" : left < 14_400 ? "due soon" : "due", late ? `${span(left)} late` : `in ${span(left)}`);
  shown.dateTime = iso;
  shown.title = STAMP.format(new Date(iso));
  return shown;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The last eight digits of an id: the part that differs. The whole on hovering. */
export function shortId(id) {
  const shown = element("span", "id", UUID.test(id) ? String(id).replaceAll("-", "").slice(24) : String(id));
  shown.title = id;
  return shown;
}

export function person(id) {
  if (!id) return "nobody";
  if (id === sub) return element("strong", "", "you");
  return shortId(id);
}

export function stateBadge(state) {
  return element("span", `mark state-${state}`, words(state));
}

/** Shows the way to the next page, where there is one, and back to the first from any other. */
export function pages(cursors, next) {
  const isFirst = Object.keys(cursors).every((name) => !asked.has(name));
  const away = Object.fromEntries(Object.keys(cursors).map((name) => [name, null]));
  const first = at("first");
  first.hidden = isFirst;
  first.href = addressWith(away);
  at("next").hidden = next === null;
  if (next !== null) at("next").href = addressWith(next);
}

/** Sends a form by `send`; while it is under way nobody can send it twice, and what is refused is said in it. */
export async function submit(event, form, send) {
  event.preventDefault();
  if (form.inert) return;
  const { submitter } = event;
  const error = form.querySelector(".error");
  if (error) error.textContent = "";
  const filled = new FormData(form);
  form.inert = true;
  try {
    await send(filled, submitter, form);
  } catch (refused) {
    if (error) error.textContent = sayWhy(refused);
    else throw refused;
  } finally {
    form.inert = false;
    if (document.activeElement === document.body) submitter?.focus();
  }
}

export function onSubmit(form, send) {
  form?.addEventListener("submit", (event) => submit(event, form, send));
}

/** Gives a form's fields what the address asks for; where it asks nothing, what the page came with stays. */
export function keepFields(form) {
  for (const field of form?.elements ?? []) {
    if (field.name && asked.has(field.name)) field.value = asked.get(field.name);
  }
}
