// How old what is open is: the ages that the API counts by, and sums over its groups.

/** In whole days, the youngest first. */
export const AGES = ["0-1", "2-3", "4-7", "8-30", "over-30"];

/** From how many days on a break has each age. */
const FROM_DAYS = { "0-1": 0, "2-3": 2, "4-7": 4, "8-30": 8, "over-30": 31 };

export function ageWords(age) {
  return age.startsWith("over-") ? age.replace("-", " ") : age.replace("-", "–");
}

/** The inbox of what is at least so old. */
export function sinceAge(age, kind) {
  const query = new URLSearchParams();
  if (kind !== undefined) query.set("kind", kind);
  if (FROM_DAYS[age] > 0) query.set("age", String(FROM_DAYS[age]));
  const text = query.toString();
  return text === "" ? "/finance/breaks" : `/finance/breaks?${text}`;
}

/** Sums one figure of groups by one of their names. */
export function sumBy(groups, name, figure) {
  const sums = new Map();
  for (const group of groups) sums.set(group[name], (sums.get(group[name]) ?? 0n) + BigInt(group[figure]));
  return sums;
}
