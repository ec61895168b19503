// Reading the API without losing a digit, and acting through it once per key.

import { call, callUntilAnswered, newKey } from "./api.js";

/** Strings and numbers of a JSON text; everything else is left as it is. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Integers that a number may not hold exactly. */
const LONG = /^-?\d{16,}$/;

/** Parses JSON; integers of 16 digits and more become strings, so that `BigInt` gets what was sent. */
export function parseExact(text) {
  return JSON.parse(text.replace(TOKENS, (token) => (LONG.test(token) ? `"${token}"` : token)));
}

/** An address with a query; members that are null, undefined or empty are left out. */
export function address(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs).toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Reads from the API. Long integers come as strings. */
export async function read(path, query, options = {}) {
  return parseExact(await call("GET", address(path, query), { ...options, text: true }));
}

/** Does something once, however often it has to be sent until somebody answers. */
export async function act(path, body, key = newKey()) {
  return callUntilAnswered("POST", path, { body, key }, 4);
}

/** Whether nobody here serves the address: the service is not part of this installation, or older than this page. */
export function isMissing(error) {
  return error?.slug === "no-such-address" || error?.status === 405;
}
