// Answers drawn by the names of their members: the unit stands at the end of each name, so it says how to show it.

import { made, micros, minor, percent, row, shortId, stateBadge, table, time, wholeCoins, words } from "./desk.js";
import { element } from "./words.js";

const NUMBERS = [
  [/_micro$/, (value) => micros(value), "¥"],
  [/_(minor|fen)$/, (value, of) => minor(value, of.currency), "¥"],
  [/(^|_)coins$/, (value) => wholeCoins(value), "coins"],
  [/_ppm$/, (value) => percent(value), ""],
  [/(_count|^count|^rows|^rows_done|^rows_total|^version|_seq|^seq|^line|^attempts|^unmatched_\w+|^differences|^arrived)$/, (value) => wholeCoins(value), ""],
  [/_s$/, (value) => `${value} s`, ""],
];

const INTEGER = /^-?\d+$/;

function ruleOf(name) {
  return NUMBERS.find(([pattern]) => pattern.test(name));
}

/** A member's name as people read it, with its unit. */
export function headOf(name) {
  const rule = ruleOf(name);
  const plain = words(name.replace(/_(micro|minor|fen|ppm|at)$/, ""));
  return rule && rule[2] !== "" && rule[2] !== "coins" ? `${plain}, ${rule[2]}` : plain;
}

/** Whether a member is set to the right. */
export function isNumber(name) {
  return ruleOf(name) !== undefined;
}

/** A value as its name says it is. */
export function valueOf(name, value, of = {}) {
  if (value === null || value === undefined || value === "") return "—";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "object") return nested(value);
  const rule = ruleOf(name);
  if (rule && INTEGER.test(String(value))) return rule[1](value, of);
  if (/_at$/.test(name)) return time(value);
  if (/(^|_)day$/.test(name)) return element("span", "day", String(value));
  if (name === "state" || name === "severity") return stateBadge(value);
  if (/(_id|_by)$/.test(name)) return shortId(String(value));
  if (/sha256|hash|digest/.test(name)) return hashOf(value);
  return String(value);
}

function hashOf(value) {
  const short = element("code", "id", String(value).slice(0, 16));
  short.title = String(value);
  return short;
}

function nested(value) {
  if (Array.isArray(value) && value.every((member) => typeof member !== "object")) return value.join(", ") || "—";
  const whole = element("details", "");
  const what = Array.isArray(value) ? `${value.length} rows` : "open";
  whole.append(element("summary", "", what), Array.isArray(value) ? listOf("Rows", value) : factsOf(value));
  return whole;
}

/** An object as names and values. */
export function factsOf(of, leftOut = []) {
  const list = element("dl", "facts");
  for (const [name, value] of Object.entries(of)) {
    if (leftOut.includes(name) || value === null) continue;
    list.append(element("dt", "", headOf(name)), made("dd", "", valueOf(name, value, of)));
  }
  return list;
}

/** Objects as a table, one column for each member that any has. `cells` may draw a member itself. */
export function listOf(caption, list, cells = {}) {
  const names = [...new Set(list.flatMap((member) => Object.keys(member)))];
  const columns = [...names, ...Object.keys(cells).filter((name) => !names.includes(name))];
  const heads = columns.map((name) => (isNumber(name) ? `#${headOf(name)}` : headOf(name)));
  const rows = list.map((of) =>
    row(
      ...columns.map((name) => {
        const shown = cells[name] ? cells[name](of) : valueOf(name, of[name], of);
        return isNumber(name) ? { number: shown } : shown;
      }),
    ),
  );
  return table(caption, heads, rows);
}

/** The one list of an answer, whatever it is called. */
export function listIn(answer) {
  if (Array.isArray(answer)) return answer;
  return Object.values(answer).find(Array.isArray) ?? [];
}
