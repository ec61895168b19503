// Amounts for people to read. Exact: whole coins are integers, fiat comes as integers in strings.

const WHOLE = new Intl.NumberFormat("en");

/** Coins with thousands apart. */
export function coins(amount) {
  return WHOLE.format(amount);
}

/** A signed change of coins. */
export function change(amount) {
  return amount > 0 ? `+${coins(amount)}` : amount < 0 ? `−${coins(-amount)}` : "0";
}

/** Minor units as yuan. */
export function yuanOfMinor(minor) {
  return yuanOfMicros(BigInt(minor) * 1_000_000n);
}

/** Millionths of a minor unit as yuan: two decimals, more only where they are not zero. */
export function yuanOfMicros(micros) {
  const [whole, rest] = yuanParts(micros);
  return whole + rest;
}

/** The same in two parts: down to the minor unit, and the decimals below it, empty where they are zero. */
export function yuanParts(micros) {
  const amount = BigInt(micros);
  const positive = amount < 0n ? -amount : amount;
  const decimals = String(positive % 100_000_000n).padStart(8, "0");
  const whole = `${amount < 0n ? "−" : ""}¥${WHOLE.format(positive / 100_000_000n)}.${decimals.slice(0, 2)}`;
  return [whole, decimals.slice(2).replace(/0+$/, "")];
}

/** Parses JSON whose `…_micro` members may be larger than a number holds exactly: they become strings. */
export function parseMicros(text) {
  return JSON.parse(text.replace(/("\w+_micro"\s*:\s*)(-?\d+)/g, '$1"$2"'));
}

/** Millionths of a minor unit of an amount in yuan that somebody typed, such as 1,234.5. Exact, or an error. */
export function microsOfText(text) {
  const plain = String(text).trim().replaceAll(",", "");
  if (plain === "") return 0n;
  const [, whole, decimals = ""] = /^(\d{1,15})(?:\.(\d{1,8}))?$/.exec(plain) ?? [];
  if (whole === undefined) throw new Error(`"${text}" is no amount in yuan.`);
  return BigInt(whole) * 100_000_000n + BigInt(decimals.padEnd(8, "0"));
}
