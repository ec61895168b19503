// The books at a glance. Amounts are exact: millionths of a minor unit, as big integers.

import { call } from "./api.js";
import { coins, parseMicros, yuanOfMicros, yuanParts } from "./money.js";
import "./session.js";
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

/** A cell with an amount: what is below the minor unit is there, and quieter. */
function amount(name, className, micros) {
  const [whole, rest] = yuanParts(micros);
  const cell = element(name, className, whole);
  cell.append(element("span", "below-minor", rest));
  return cell;
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
        row.append(amount("td", "number", micro));
      }
      return row;
    }),
  );
  const total = element("tr");
  const name = element("th", "", "Total");
  name.scope = "row";
  total.append(name);
  for (const micro of [now.total_debit_micro, now.total_credit_micro, now.difference_micro]) {
    total.append(amount("td", "number", micro));
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
      step.append(element("span", "flow-label", label), element("span", "flow-amount number", yuanParts(micro)[0]));
      const bar = element("span", "flow-bar");
      const share = micro > 0n ? (micro * 1_000n) / most : 0n;
      bar.style.setProperty("--share", String(Number(share) / 1_000));
      bar.title = `Account ${code}: ${yuanOfMicros(micro)}`;
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
  at("verdict").textContent = openBreaks > 0 ? `${words} · ${coins(openBreaks)} open breaks` : words;
}

const BREAK_COLUMNS = ["Kind", "State", "Logs", "Partition", "Coins"];

function breakRow(found) {
  const row = element("tr");
  row.append(element("td", "", found.kind.replaceAll("_", " ")), element("td", "", found.state.replaceAll("_", " ")));
  row.append(element("td", "", found.logs), element("td", "number", String(found.partition)));
  row.append(element("td", "number", coins(found.coins)));
  return row;
}

function table(columns, rows) {
  const made = element("table");
  const head = element("tr");
  for (const [name, className] of columns) {
    const cell = element("th", className, name);
    cell.scope = "col";
    head.append(cell);
  }
  const header = element("thead");
  header.append(head);
  const body = element("tbody");
  body.append(...rows);
  made.append(header, body);
  return made;
}

function showBreaks(open, count) {
  if (count === 0) {
    at("breaks").replaceChildren(element("p", "good-line", "No open break."));
    return;
  }
  const columns = BREAK_COLUMNS.map((name) => [name, name === "Partition" || name === "Coins" ? "number" : ""]);
  const scroll = element("div", "scroll");
  scroll.append(table(columns, open.map(breakRow)));
  at("breaks").replaceChildren(scroll);
  if (count > open.length) at("breaks").append(element("p", "muted", `The newest ${open.length} of ${coins(count)}.`));
}

function cells(...texts) {
  const row = element("tr");
  texts.forEach((text, place) => row.append(element("td", place === 0 ? "" : "number", text)));
  return row;
}

const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium" });

function showLag(lag) {
  const pairs = lag.pairs.map((pair) => {
    const until = pair.compared_until ? CLOCK.format(new Date(pair.compared_until)) : "not yet";
    return cells(pair.pair, until, `${coins(pair.lag_s)} s`);
  });
  const readers = lag.readers.map((reader) => {
    const row = cells(reader.reader, coins(reader.lag_rows), reader.stopped.length === 0 ? "running" : "stopped");
    if (reader.stopped.length > 0) row.title = reader.stopped.join("\n");
    return row;
  });
  at("lag").replaceChildren(
    table([["Compared logs", ""], ["Up to", "number"], ["Behind", "number"]], pairs),
    table([["Reader", ""], ["Rows to read", "number"], ["State", "number"]], readers),
  );
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
    part("breaks", () => call("GET", "/v1/breaks?limit=200")),
    part("lag", () => call("GET", "/v1/recon/lag")),
  ]);
  const open = (breaks?.breaks ?? []).filter((found) => found.state !== "closed").slice(0, 20);
  const count = breaks?.not_closed_count ?? 0;
  if (now) showBalance(now);
  if (now && before) showFlow(now, before);
  if (breaks) showBreaks(open, count);
  if (lag) showLag(lag);
  if (now) verdict(now.difference_micro, count);
}

if (at("verdict")) {
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, EVERY_MS);
}
