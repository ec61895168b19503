// The trial balance: each account opens its vouchers.

import { asked, at, fill, keepFields, link, made, micros, row, show } from "./desk.js";
import { address, read } from "./exact.js";
import { yuanOfMicros } from "./money.js";
import { element } from "./words.js";

const day = asked.get("day") ?? "";

/** Before the first day of any books: an account's vouchers then sum to what stands here. */
const FIRST_DAY = "2020-01-01";

function accountRow(account) {
  const query = { account: account.account, from: FIRST_DAY, to: day };
  const name = made("span", "", element("span", "code", account.account), account.name);
  const way = link(address("/finance/journal", query), "");
  way.append(name);
  const figures = [account.debit_micro, account.credit_micro, account.balance_micro];
  return row({ head: way, className: "account" }, ...figures.map((micro) => ({ number: micros(micro) })));
}

function draw(balance) {
  const totals = [balance.total_debit_micro, balance.total_credit_micro, balance.difference_micro];
  const isWhole = BigInt(balance.difference_micro) === 0n;
  at("verdict").textContent = isWhole ? "The books close to zero" : `The books are off by ${yuanOfMicros(balance.difference_micro)}`;
  at("verdict").className = `verdict ${isWhole ? "good" : "bad"}`;
  const total = row({ head: "Total; the last is the difference" }, ...totals.map((micro) => ({ number: micros(micro) })));
  return fill("accounts", balance.accounts.map(accountRow), "The chart has no account.", [total]);
}

/** Files of the same books. Where nobody here makes them, the way to them is not shown. */
async function showExports() {
  try {
    await read("/v1/finance/periods");
  } catch {
    return;
  }
  const until = day === "" ? new Date().toISOString().slice(0, 10) : day;
  for (const format of ["csv", "xlsx", "beancount", "hledger"]) {
    const way = link(address("/v1/finance/exports/trial-balance", { to: until, format }), format, "quiet button small");
    way.download = "";
    at("exports").append(way);
  }
}

keepFields(document.querySelector("form.filters"));
show("accounts", () => read("/v1/trial-balance", { day }), draw);
showExports();
