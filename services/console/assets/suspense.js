// How old what is open is, and what stands on accounts that should come back to zero.

import { AGES, ageWords, sinceAge, sumBy } from "./ages.js";
import { bars } from "./charts.js";
import { at, fill, link, micros, row, show, wholeCoins, words } from "./desk.js";
import { read } from "./exact.js";

/** Accounts that hold what is on its way from one place to another, by the beginning of their codes. */
const IN_BETWEEN = /^(1012|1122|1123|1221|1901|2206|2207|2242|2243)(\.|$)/;

function kindRow([kind, groups]) {
  const counts = sumBy(groups, "age", "count");
  const of = (figure) => groups.reduce((sum, group) => sum + BigInt(group[figure]), 0n);
  const cells = AGES.map((age) => {
    const count = counts.get(age) ?? 0n;
    return { number: count === 0n ? "–" : link(sinceAge(age, kind), wholeCoins(count)) };
  });
  const heading = { head: link(`/finance/breaks?kind=${kind}`, words(kind)) };
  return row(heading, ...cells, { number: wholeCoins(of("count")) }, { number: wholeCoins(of("overdue_count")) }, { number: wholeCoins(of("coins")) });
}

function totalRow(groups) {
  const counts = sumBy(groups, "age", "count");
  const of = (figure) => groups.reduce((sum, group) => sum + BigInt(group[figure]), 0n);
  const cells = AGES.map((age) => ({ number: wholeCoins(counts.get(age) ?? 0n) }));
  return row({ head: "Total" }, ...cells, { number: wholeCoins(of("count")) }, { number: wholeCoins(of("overdue_count")) }, { number: wholeCoins(of("coins")) });
}

function showAges({ groups }) {
  const coins = sumBy(groups, "age", "coins");
  const list = AGES.map((age) => {
    const value = coins.get(age) ?? 0n;
    return { label: `${ageWords(age)} d`, value, text: wholeCoins(value), href: sinceAge(age) };
  });
  at("age-chart").replaceChildren(bars("Coins in question by age in days", ["Age", "Coins"], list));
  const kinds = new Map();
  for (const group of groups) kinds.set(group.kind, [...(kinds.get(group.kind) ?? []), group]);
  const empty = fill("ages", [...kinds].map(kindRow), "Nothing is open.", [totalRow(groups)]);
  at("ages-state").textContent = empty;
  at("ages-state").className = "state empty-state";
}

function accountRow(account) {
  const way = link(`/finance/journal?account=${encodeURIComponent(account.account)}`, `${account.account} ${account.name}`);
  const figures = [account.debit_micro, account.credit_micro, account.balance_micro];
  return row({ head: way }, ...figures.map((micro) => ({ number: micros(micro) })));
}

show("age-chart", () => read("/v1/finance/break-ages"), showAges).then((isThere) => {
  if (!isThere) at("ages-state").textContent = "";
});
show(
  "accounts",
  () => read("/v1/trial-balance"),
  ({ accounts }) => {
    const between = accounts.filter((account) => IN_BETWEEN.test(account.account) && (BigInt(account.debit_micro) !== 0n || BigInt(account.credit_micro) !== 0n));
    return fill("accounts", between.map(accountRow), "Nothing ever moved on them.");
  },
);
