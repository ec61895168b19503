// Acting through the API, once per key.

import { callUntilAnswered, newKey } from "./api.js";

/** An address with a query; members that are null, undefined or empty are left out. */
export function address(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs).toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Does something once, however often it has to be sent until somebody answers. */
export async function act(path, body, key = newKey()) {
  return callUntilAnswered("POST", path, { body, key }, 4);
}
