// The liability of coins: each day opens as the one before closed.

import { columns } from "./charts.js";
import { asked, at, keepFields, made, micros, row, show, table, wholeCoins, words } from "./desk.js";
import { read } from "./exact.js";
import { headOf, isNumber, listIn, valueOf } from "./shapes.js";
import { yuanOfMicros } from "./money.js";

const { from, to } = at("span").dataset;

/** The member that says how a day closed: in money where the answer has it. */
function closingOf(day) {
  const names = Object.keys(day).filter((name) => name.startsWith("closing"));
  return names.find((name) => name.endsWith("_micro")) ?? names[0];
}

function chartOf(days) {
  const name = closingOf(days[0]);
  if (!name) return null;
  const text = (value) => (name.endsWith("_micro") ? yuanOfMicros(value) : wholeCoins(value));
  const list = days.map((day) => ({ label: String(day.day ?? ""), value: BigInt(day[name] ?? 0), text: text(day[name] ?? 0) }));
  return columns(`${words(name.replace(/_(micro|coins)$/, ""))} of each day`, list);
}

/** Whether each day opens as the one before closed, where the answer says both. */
function gapOf(days) {
  const name = closingOf(days[0] ?? {});
  const opening = name?.replace("closing", "opening");
  const bad = days.find((day, place) => place > 0 && opening in day && BigInt(day[opening]) !== BigInt(days[place - 1][name]));
  return bad ? `The day ${bad.day} does not open as the day before closed.` : "";
}

show(
  "roll",
  () => read("/v1/finance/roll-forward", { from: asked.get("from") || from, to: asked.get("to") || to }),
  (answer) => {
    const days = listIn(answer);
    if (days.length === 0) return "There is no day in these.";
    const names = [...new Set(days.flatMap((day) => Object.keys(day)))];
    const heads = names.map((name) => (isNumber(name) ? `#${headOf(name)}` : headOf(name)));
    const rows = days.map((day) =>
      row(...names.map((name) => (name === "day" ? { head: String(day.day) } : isNumber(name) ? { number: name.endsWith("_micro") ? micros(day[name]) : valueOf(name, day[name], day) } : valueOf(name, day[name], day)))),
    );
    at("roll-chart").replaceChildren(...[chartOf(days)].filter(Boolean));
    at("roll").replaceChildren(made("div", "", table("The liability of coins by day", heads, rows)));
    return gapOf(days);
  },
);
keepFields(at("span"));
