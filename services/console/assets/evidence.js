// Evidence of both sides, side by side, with what differs marked by a word and not by colour alone.

import { at, made, row } from "./desk.js";
import { coins, yuanOfMicros, yuanOfMinor } from "./money.js";
import { element } from "./words.js";

/** Each log numbers and stamps its own rows: these differ where all is well. */
const OWN = /^(stamp\.(seq|epoch|decided_at|origin_seq|minute)|seq|kind)$/;

/** The leaves of a JSON value by their dotted names. */
export function leaves(value, prefix = "", found = new Map()) {
  if (value === null || typeof value !== "object") {
    found.set(prefix, value === null ? "nothing" : String(value));
    return found;
  }
  const members = Array.isArray(value) ? value.map((member, at) => [String(at + 1), member]) : Object.entries(value);
  if (members.length === 0) found.set(prefix, "nothing");
  for (const [name, member] of members) leaves(member, prefix === "" ? name : `${prefix}.${name}`, found);
  return found;
}

/** What to say of one field: nothing where both agree, or where each side has its own. */
export function verdict(name, before, after) {
  if (before === undefined) return OWN.test(name) ? "" : "only after";
  if (after === undefined) return OWN.test(name) ? "" : "only before";
  return before === after || OWN.test(name) ? "" : "differs";
}

const WHOLE = /^-?\d+$/;

/** A field as people read it: thousands apart, and money in yuan, by the unit at the end of its name. */
function shown(name, value) {
  if (value === undefined) return "—";
  if (!WHOLE.test(value)) return value;
  if (/_micro$/.test(name)) return yuanOfMicros(value);
  if (/_minor$/.test(name)) return yuanOfMinor(value);
  return /(coins|count|quantity)$/.test(name) ? coins(BigInt(value)) : value;
}

function sideRow(name, before, after, areBoth) {
  const said = areBoth ? verdict(name, before, after) : "";
  // What only one log knows is no difference: their rows have different fields.
  const marks = said === "differs" ? made("strong", "mark differs", said) : element("span", "muted", said);
  const line = row({ head: name, className: "field-name" }, shown(name, before), shown(name, after), marks);
  line.classList.toggle("differs", said === "differs");
  return line;
}

function fillSides(id, before, after, why) {
  const [mine, theirs] = [leaves(before ?? {}), leaves(after ?? {})].map((side) => (side.get("") === "nothing" ? new Map() : side));
  const names = [...new Set([...mine.keys(), ...theirs.keys()])];
  const areBoth = mine.size > 0 && theirs.size > 0;
  const rows = names.map((name) => sideRow(name, mine.get(name), theirs.get(name), areBoth));
  const order = (line) => (line.classList.contains("differs") ? 0 : 1);
  rows.sort((a, b) => order(a) - order(b));
  const whole = at(id);
  whole.tBodies[0].replaceChildren(...rows);
  whole.hidden = rows.length === 0;
  const state = at(`${id}-state`);
  state.className = `state ${why === "" ? "empty-state" : "error"}`;
  const missing = mine.size === 0 ? "The log before says nothing." : theirs.size === 0 ? "The log after says nothing." : "";
  state.textContent = [rows.length === 0 ? "Neither side says anything." : missing, why].filter((text) => text !== "").join(" ");
}

/** Fills both tables: what was found then, and what the rows are now. */
export function showSides({ before, after }) {
  for (const id of ["recorded", "rows"]) {
    const heads = at(id).tHead.rows[0].cells;
    heads[1].textContent = `${before.log} (before)`;
    heads[2].textContent = `${after.log} (after)`;
  }
  fillSides("recorded", before.recorded, after.recorded, "");
  const away = [before.unavailable, after.unavailable].filter(Boolean).map((why) => `Cannot be read now: ${why}.`);
  fillSides("rows", before.row, after.row, away.join(" "));
}
