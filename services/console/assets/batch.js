// One payout batch: approve, submit, its file, and the bank's word line by line.

import { at, decidesPayouts, fill, isMaker, link, made, minor, onSubmit, person, row, sayWhy, shortId, show, stateBadge, time, words, facts } from "./desk.js";
import { act, read } from "./exact.js";
import { sub } from "./session.js";
import { element, notice } from "./words.js";

const id = at("batch-page").dataset.id;
const path = `/v1/finance/payout-batches/${encodeURIComponent(id)}`;

/** The lines that were read so far, by their numbers. */
let lines = [];

/** What the bank said of one line, as somebody records it. */
async function confirm(line, outcome) {
  const reason = outcome === "rejected" ? window.prompt("What did the bank say?") : null;
  if (outcome === "rejected" && !reason) return;
  at("line-error").textContent = "";
  try {
    await act(`${path}/confirmations`, { lines: [{ line_id: line.line_id, outcome, ...(reason ? { reason } : {}) }] });
    const { batch, lines: [now] } = await read(path, { after: String(line.line - 1), limit: "1" });
    lines = lines.map((known) => (known.line === now.line ? now : known));
    draw(batch);
  } catch (error) {
    at("line-error").textContent = sayWhy(error);
  }
}

function bankWord(line) {
  if (line.reason) return line.reason;
  if (line.state !== "submitted" || !isMaker) return "—";
  const place = made("div", "row");
  for (const [outcome, label] of [["paid", "Paid"], ["rejected", "Rejected…"]]) {
    const button = element("button", "quiet small", label);
    button.type = "button";
    button.addEventListener("click", () => confirm(line, outcome));
    place.append(button);
  }
  return place;
}

function lineRow(line, currency) {
  const money = [line.gross_minor, line.tax_minor, line.net_minor].map((amount) => ({ number: minor(amount, currency) }));
  const payee = made("span", "", `${words(line.payee)} `, shortId(line.payee_id));
  return row({ number: String(line.line) }, { head: payee }, line.holder, `${line.account_no}, ${line.bank_code}`, ...money, stateBadge(line.state), bankWord(line));
}

function showButtons(batch) {
  const isOwn = batch.built_by === sub;
  at("approve").hidden = !(batch.state === "built" && decidesPayouts);
  at("approve").disabled = isOwn;
  at("discard").hidden = !((batch.state === "built" || batch.state === "approved") && decidesPayouts);
  at("submit-batch").hidden = !(batch.state === "approved" && isMaker);
  const says = {
    built: isOwn ? "You built it: another person must approve it." : decidesPayouts ? "" : "It waits for a checker.",
    approved: isMaker ? "It is approved. Submitting hands its file out." : "It is approved; a maker submits it.",
  };
  at("batch-say").textContent = says[batch.state] ?? "";
  at("files").replaceChildren();
  if (batch.state !== "submitted" && batch.state !== "confirmed") return;
  for (const [ending, name] of [["xml", "pain.001 for the bank"], ["csv", "CSV for the bank"]]) {
    const way = link(`${path}/file.${ending}`, name, "quiet button");
    way.download = `payout-${batch.day}-${id}.${ending}`;
    at("files").append(way);
  }
}

/** Draws the batch, and the lines that were read so far. */
function draw(batch) {
  at("batch").replaceChildren(
    facts([
      ["State", stateBadge(batch.state)],
      ["Day", batch.day],
      ["To pay", element("strong", "", minor(batch.net_minor, batch.currency))],
      ["Gross", minor(batch.gross_minor, batch.currency)],
      ["Withheld as tax", minor(batch.tax_minor, batch.currency)],
      ["Built", made("span", "", time(batch.built_at), " by ", person(batch.built_by))],
      ["Approved by", batch.approved_by ? person(batch.approved_by) : null],
      ["Submitted by", batch.submitted_by ? person(batch.submitted_by) : null],
      ["Hash of its lines", element("code", "", batch.lines_hash)],
    ]),
  );
  showButtons(batch);
  fill("lines", lines.map((line) => lineRow(line, batch.currency)), "");
  const isWhole = lines.length >= batch.line_count;
  at("lines-state").textContent = isWhole ? "" : `${lines.length} of ${batch.line_count} lines`;
  at("more-lines").hidden = isWhole;
}

function load(after = 0) {
  return show("batch", () => read(path, { after: String(after) }), ({ batch, lines: page }) => {
    lines = after === 0 ? page : [...lines, ...page];
    draw(batch);
  });
}

at("more-lines").addEventListener("click", () => load(lines.at(-1).line));

onSubmit(at("batch-form"), async (_, submitter) => {
  await act(`${path}/${submitter.value}`, {});
  notice("Done.");
  await load();
});
load().then((isThere) => {
  if (!isThere) at("lines-state").textContent = "";
});
