// Sends that survive a dropped connection, a closed tab and a flat battery, without a second charge.
//
// Before a gift is sent, its key and body are written down in this browser. Whatever happens after, the same key
// is used again, and the server gives the same answer for the same key. Only an answer removes it from here.

import { Lost, Refused, call, wait, waitBefore } from "./api.js";
import { sub } from "./session.js";

const PREFIX = `largesse.send.${sub}.`;

/** Gifts on their way at once; more would mean that nothing gets through. */
export const PENDING_MAX = 20;

/** A send found after a reload is finished by itself if it is younger than this; an older one asks first. */
const RESUME_WITHIN_MS = 120_000;

/** Where the page shows that it still tries. */
const PATIENCE_ATTEMPTS = 2;

export function pending() {
  const found = [];
  for (let at = 0; at < localStorage.length; at += 1) {
    const name = localStorage.key(at);
    if (name?.startsWith(PREFIX)) {
      try {
        found.push(JSON.parse(localStorage.getItem(name)));
      } catch {
        localStorage.removeItem(name); // Not ours: nothing this page wrote looks so.
      }
    }
  }
  return found.sort((one, other) => one.at - other.at);
}

function keep(send) {
  localStorage.setItem(PREFIX + send.key, JSON.stringify(send));
}

function forget(key) {
  localStorage.removeItem(PREFIX + key);
}

/** Whether an error leaves the send open: signed out, or a stale proof of session. */
function staysOpen(error) {
  return error instanceof Lost || (error instanceof Refused && (error.status === 401 || error.slug === "csrf-refused"));
}

/** Sends a gift; the answer comes once, however often it takes to get it. */
export async function send(key, body, onDelay) {
  const entry = { key, body, at: Date.now() };
  keep(entry);
  return deliver(entry, onDelay);
}

async function deliver(entry, onDelay = () => {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await call("POST", "/v1/gift-orders", { body: entry.body, key: entry.key });
      forget(entry.key);
      return answer;
    } catch (error) {
      if (!staysOpen(error)) forget(entry.key);
      if (!(error instanceof Lost)) throw error;
      if (attempt >= PATIENCE_ATTEMPTS) onDelay(attempt);
      await Promise.race([wait(waitBefore(attempt)), backOnline()]);
    }
  }
}

function backOnline() {
  return new Promise((resolve) => addEventListener("online", resolve, { once: true }));
}

/** Asks what became of a key: its order, or `null` if nothing was taken under it. */
async function find(key) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call("GET", `/v1/gift-orders?key=${encodeURIComponent(key)}`);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      if (!(error instanceof Lost)) throw error;
      await wait(waitBefore(attempt));
    }
  }
}

/**
 * Finishes what an earlier visit left open: asks first, sends again with the same key only what was never taken.
 * `askAgain(body)` decides about a send so old that the viewer may not want it any more.
 */
export async function resume({ onFound, onRefused, askAgain }) {
  for (const entry of pending()) {
    try {
      const order = await find(entry.key);
      if (order) {
        forget(entry.key);
        onFound(order, entry.body, "found");
        continue;
      }
      if (Date.now() - entry.at > RESUME_WITHIN_MS && !(await askAgain(entry.body))) {
        forget(entry.key);
        continue;
      }
      onFound(await deliver(entry), entry.body, "sent");
    } catch (error) {
      onRefused(error, entry.body);
    }
  }
}
