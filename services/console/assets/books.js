// The books at a glance. Amounts are exact: millionths of a minor unit, as big integers.

import "./session.js";
import { call } from "./api.js";
import { coins, parseMicros, yuanOfMicros } from "./money.js";
import { element, say } from "./words.js";

const EVERY_MS = 10_000;
const at = (id) => document.getElementById(id);
const dayBefore = at("books").dataset.dayBefore;

/** The way of the money today: what it is called, whose account, which side of it. */
const FLOW = [
  ["Paid in by viewers", "1122", "debit"],
  ["Coins issued at face value", "2205.01", "credit"],
  ["Promotional coins given", "2205.02", "credit"],
  ["Coins spent on gifts", "2206", "credit"],
  ["Earned by streamers", "2241.01", "credit"],
  ["Earned by agencies", "2241.02", "credit"],
  ["Tax", "2221.01", "credit"],
  ["Revenue of the platform", "6001", "credit"],
];

async function balanceOf(query) {
  return parseMicros(await call("GET", `/v1/trial-balance${query}`, { text: true }));
}

function showBalance(now) {
  at("accounts").replaceChildren(
    ...now.accounts.map((account) => {
      const row = element("tr");
      const name = element("th", "account", account.name);
      name.scope = "row";
      name.prepend(element("span", "code", account.account));
      row.append(name);
      for (const micro of [account.debit_micro, account.credit_micro, account.balance_micro]) {
        row.append(element("td", "number", yuanOfMicros(micro)));
      }
      return row;
    }),
  );
  const total = element("tr");
  const name = element("th", "", "Total");
  name.scope = "row";
  total.append(name);
  for (const micro of [now.total_debit_micro, now.total_credit_micro, now.difference_micro]) {
    total.append(element("td", "number", yuanOfMicros(micro)));
  }
  at("totals").replaceChildren(total);
}

function showFlow(now, before) {
  const earlier = new Map(before.accounts.map((account) => [account.account, account]));
  const known = new Map(now.accounts.map((account) => [account.account, account]));
  const steps = FLOW.filter(([, code]) => known.has(code)).map(([label, code, side]) => {
    const member = `${side}_micro`;
    return { label, code, micro: BigInt(known.get(code)[member]) - BigInt(earlier.get(code)?.[member] ?? 0) };
  });
  const most = steps.reduce((largest, step) => (step.micro > largest ? step.micro : largest), 1n);
  at("flow").replaceChildren(
    ...steps.map(({ label, code, micro }) => {
      const step = element("li", "flow-step");
      step.append(element("span", "flow-label", label), element("span", "flow-amount number", yuanOfMicros(micro)));
      const bar = element("span", "flow-bar");
      const share = micro > 0n ? (micro * 1_000n) / most : 0n;
      bar.style.setProperty("--share", String(Number(share) / 1_000));
      bar.title = `Account ${code}`;
      step.append(bar);
      return step;
    }),
  );
}

function verdict(difference, openBreaks) {
  const isZero = BigInt(difference) === 0n;
  const good = isZero && openBreaks === 0;
  at("verdict").className = `verdict ${good ? "good" : "bad"}`;
  const words = isZero ? "The books close to zero" : `The books are off by ${yuanOfMicros(difference)}`;
  at("verdict").textContent = openBreaks > 0 ? `${words} · ${openBreaks} open breaks` : words;
}

/** What can be said of a break without knowing more than its kind: every plain member, in words. */
function breakRow(found) {
  const row = element("tr");
  const kind = String(found.kind ?? found.break_kind ?? "break").replaceAll("_", " ");
  row.append(element("td", "", kind));
  row.append(element("td", "", String(found.state ?? "open").replaceAll("_", " ")));
  row.append(element("td", "number", found.partition === undefined ? "" : String(found.partition)));
  row.append(element("td", "number", found.coins === undefined || found.coins === null ? "" : coins(found.coins)));
  return row;
}

function showBreaks(breaks) {
  const place = at("breaks");
  if (breaks.length === 0) {
    place.replaceChildren(element("p", "good-line", "No open break."));
    return;
  }
  const table = element("table");
  const head = element("tr");
  for (const name of ["Kind", "State", "Partition", "Coins"]) {
    const cell = element("th", name === "Partition" || name === "Coins" ? "number" : "", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(head, ...breaks.slice(0, 50).map(breakRow));
  place.replaceChildren(table);
}

function flat(value, path = []) {
  if (value === null || typeof value !== "object") return [[path.join(" ").replaceAll("_", " "), value]];
  if (Array.isArray(value)) return [[path.join(" ").replaceAll("_", " "), `${value.length} listed`]];
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, [...path, name]));
}

function showLag(lag) {
  const list = element("dl", "facts");
  for (const [name, value] of flat(lag)) {
    const shown = typeof value === "number" ? coins(value) : String(value ?? "—");
    list.append(element("dt", "", name), element("dd", "", shown));
  }
  at("lag").replaceChildren(list);
}

/** Each part is asked for by itself: one that cannot be read says so, and the others still show. */
async function part(place, read) {
  try {
    return await read();
  } catch (error) {
    at(place).replaceChildren(element("p", "error", say(error)));
    return null;
  }
}

async function refresh() {
  const [now, before, breaks, lag] = await Promise.all([
    part("accounts", () => balanceOf("")),
    part("flow", () => balanceOf(`?day=${dayBefore}`)),
    part("breaks", () => call("GET", "/v1/breaks")),
    part("lag", () => call("GET", "/v1/recon/lag")),
  ]);
  const isOpen = (found) => found.state !== "closed";
  const open = (breaks?.breaks ?? []).filter(isOpen);
  if (now) showBalance(now);
  if (now && before) showFlow(now, before);
  if (breaks) showBreaks(open);
  if (lag) showLag(lag);
  if (now) verdict(now.difference_micro, open.length);
}

if (at("verdict")) {
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, EVERY_MS);
}
