// A voucher's id and lines, as pages show them.

/** A voucher's own id, or its place in the log. */
export function idOf(voucher) {
  return voucher.voucher_id ?? `${voucher.partition}-${voucher.seq}`;
}

/** Its lines: pairs of arrays, or objects. */
export function linesOf(voucher) {
  if (Array.isArray(voucher.accounts)) {
    return voucher.accounts.map((account, place) => ({ account, debit_micro: voucher.debits[place], credit_micro: voucher.credits[place] }));
  }
  return voucher.postings ?? voucher.lines ?? [];
}
