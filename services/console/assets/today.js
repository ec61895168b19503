// Today at a glance. What nobody here answers yet says so, and the rest still shows.

import { AGES, ageWords, sinceAge, sumBy } from "./ages.js";
import { bars } from "./charts.js";
import { at, fill, micros, minor, percent, row, show, span, stateBadge, table, time, wholeCoins, words } from "./desk.js";
import { read } from "./exact.js";
import { element } from "./words.js";

const EVERY_MS = 15_000;
const day = at("today").dataset.day;

const SEVERITIES = ["critical", "high", "medium", "low"];

function figure(id, text, className = "") {
  at(id).textContent = text;
  at(id).className = className;
}

let drawn = "";

function showAges({ groups }) {
  const now = JSON.stringify(groups);
  if (now === drawn) return; // Somebody may have opened a chart's table.
  drawn = now;
  const bySeverity = sumBy(groups, "severity", "count");
  const byAge = sumBy(groups, "age", "count");
  const total = [...bySeverity.values()].reduce((sum, count) => sum + count, 0n);
  const overdue = groups.reduce((sum, group) => sum + BigInt(group.overdue_count), 0n);
  figure("open-breaks", wholeCoins(total), total === 0n ? "good-figure" : "");
  figure("overdue-breaks", wholeCoins(overdue), overdue === 0n ? "good-figure" : "bad-figure");
  const severities = SEVERITIES.map((severity) => {
    const value = bySeverity.get(severity) ?? 0n;
    return { label: words(severity), value, text: wholeCoins(value), className: `bar-${severity}`, href: `/finance/breaks?severity=${severity}` };
  });
  at("by-severity").replaceChildren(bars("Open breaks by severity", ["Severity", "Breaks"], severities));
  const ages = AGES.map((age) => {
    const value = byAge.get(age) ?? 0n;
    return { label: `${ageWords(age)} d`, value, text: wholeCoins(value), href: sinceAge(age) };
  });
  at("by-age").replaceChildren(bars("Open breaks by age in days", ["Age", "Breaks"], ages));
}

function showLags({ pairs, readers }) {
  const worst = pairs.reduce((most, pair) => Math.max(most, pair.lag_s), 0);
  const known = pairs.every((pair) => pair.compared_until);
  figure("lag", known ? span(worst) : "not yet", worst > 70 ? "bad-figure" : "");
  const pairRows = pairs.map((pair) => row({ head: words(pair.pair) }, { number: time(pair.compared_until) ?? "not yet" }, { number: span(pair.lag_s) }));
  const readerRows = readers.map((reader) => {
    const state = reader.stopped.length === 0 ? "running" : "stopped";
    const line = row({ head: reader.reader }, { number: wholeCoins(reader.lag_rows) }, stateBadge(state));
    if (state === "stopped") line.title = reader.stopped.join("\n");
    return line;
  });
  at("lags").replaceChildren(
    table("How far each pair of logs is compared", ["Logs", "#Up to", "#Behind"], pairRows),
    table("What readers have left to read", ["Reader", "#Rows to read", "State"], readerRows),
  );
}

/** Whether a file is expected, or how many are. */
function said(expected) {
  return typeof expected === "boolean" ? (expected ? "yes" : "no") : String(expected);
}

function showDay(today) {
  const rate = (ppm) => (ppm === null || ppm === undefined ? "nothing yet" : percent(ppm));
  figure("match-count", rate(today.match_rate_count_ppm));
  figure("match-amount", rate(today.match_rate_amount_ppm));
  figure("cash-at-risk", minor(today.cash_at_risk_minor ?? 0, today.currency), BigInt(today.cash_at_risk_minor ?? 0) === 0n ? "good-figure" : "bad-figure");
  const rows = today.files.map((file) => row({ head: file.channel }, said(file.expected), { number: String(file.arrived) }, stateBadge(file.state)));
  at("files-state").textContent = fill("files", rows, "No file is expected.");
  at("files-state").className = "state empty-state";
}

/** Says of the figures of a day that nobody here answers them. */
function missingDay() {
  for (const id of ["match-count", "match-amount", "cash-at-risk"]) figure(id, "not available", "missing-figure");
  at("files-state").textContent = "Not available: no service here answers this yet.";
  at("files-state").className = "state missing";
}

function showBooks(balance) {
  const difference = BigInt(balance.difference_micro);
  at("difference").replaceChildren(difference === 0n ? element("span", "good-figure", "nothing") : micros(difference));
  at("difference").className = difference === 0n ? "" : "bad-figure";
}

async function refresh() {
  await Promise.all([
    show("by-severity", () => read("/v1/finance/break-ages"), showAges).then((isThere) => {
      at("by-age-state").textContent = isThere ? "" : at("by-severity-state").firstChild.textContent;
      if (!isThere) ["open-breaks", "overdue-breaks"].forEach((id) => figure(id, "not available", "missing-figure"));
    }),
    show("lags", () => read("/v1/recon/lag"), showLags),
    show("day", () => read("/v1/finance/today", { day }), showDay).then((isThere) => isThere || missingDay()),
    read("/v1/trial-balance").then(showBooks).catch(() => figure("difference", "not available", "missing-figure")),
  ]);
}

refresh();
setInterval(() => {
  if (!document.hidden) refresh();
}, EVERY_MS);
