// Calls to the API: one place for the session's proof, for time limits, and for what an answer means.

/** How long one request may take before it counts as lost. */
const ANSWER_WAIT_MS = 10_000;

/** Nobody answered, or not in a way that says what happened: the same request with the same key may be sent again. */
export class Lost extends Error {}

/** The API said no. `slug` is the stable name of the problem. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.problem = problem;
    this.slug = String(problem.type || "").replace(/^.*\/problems\//, "");
  }
}

/** A statuses' list that leaves open whether the request took effect, or that asks to come back later. */
const COME_BACK = new Set([408, 425, 429, 500, 502, 503, 504]);

function cookie(name) {
  const pair = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return pair ? pair.slice(name.length + 1) : "";
}

/**
 * Sends one request, with JSON as its `body` or a `file`'s text, and gives its JSON.
 * @throws {Lost} when no answer came, or one that says to come back.
 * @throws {Refused} when the API said no for good.
 */
export async function call(method, path, { body, file, key, text = false } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-csrf-token"] = cookie("largesse_csrf");
  if (key) headers["idempotency-key"] = key;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (file !== undefined) headers["content-type"] = "text/csv; charset=utf-8";
  let answer;
  let content;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? file : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WAIT_MS),
    });
    content = await answer.text(); // An answer cut off in the middle is no answer.
  } catch (error) {
    throw new Lost(error instanceof Error ? error.message : "no answer");
  }
  if (answer.ok) {
    if (text) return content;
    try {
      return content === "" ? {} : JSON.parse(content);
    } catch {
      throw new Lost("an answer that cannot be read");
    }
  }
  if (COME_BACK.has(answer.status)) throw new Lost(`status ${answer.status}`);
  let problem = {};
  try {
    problem = JSON.parse(content);
  } catch {
    // A refusal without a reason is still a refusal.
  }
  throw new Refused(answer.status, problem);
}

/** A key for one act: a UUIDv7, so that its time shows and its order is kept. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = Date.now();
  for (let at = 5; at >= 0; at -= 1) {
    bytes[at] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Calls until there is an answer, with a doubling wait, at most `attempts` times. */
export async function callUntilAnswered(method, path, options, attempts = 6) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(method, path, options);
    } catch (error) {
      if (!(error instanceof Lost) || attempt >= attempts) throw error;
      await wait(waitBefore(attempt));
    }
  }
}

/** The wait before another attempt: 0.4 s, doubling to 10 s, a little apart for each page. */
export function waitBefore(attempt) {
  return Math.min(10_000, 200 * 2 ** attempt) * (0.8 + Math.random() * 0.4);
}

export function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
