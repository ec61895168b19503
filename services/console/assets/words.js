// Refusals in words, and notices on the page.

const WORDS = {
  "not-enough-coins": "You do not have enough coins for this. Recharge and send again.",
  "account-frozen": "Your account is frozen. Nothing was charged; please ask support.",
  "over-day-limit": "This would pass your spending limit for today. Nothing was charged.",
  "room-closed": "The room has closed. Nothing was charged.",
  "gift-off-shelf": "This gift is no longer on the shelf. Nothing was charged.",
  "no-such-gift": "This gift does not exist any more. Nothing was charged.",
  "no-such-room": "This room does not exist any more. Nothing was charged.",
  "over-balance-max": "Your balance cannot hold that many coins.",
  "request-reused": "This send was already used for something else. Nothing was charged again.",
  "key-too-old": "This send waited too long and has expired. Nothing was charged.",
  "key-from-the-future": "The clock of this device is ahead. Nothing was charged; set the clock and send again.",
  "bad-quantity": "That many cannot be sent at once.",
  "charge-too-large": "This is more than one send may cost.",
  "key-missing": "This page is out of date. Reload it and send again.",
  "key-malformed": "This page is out of date. Reload it and send again.",
  "token-missing": "You are not signed in any more. Sign in to go on.",
  "token-expired": "Your session has ended. Sign in to go on.",
  "token-invalid": "Your session is not valid. Sign in again.",
  "csrf-refused": "Your session changed in another tab. Reload the page.",
  "role-not-allowed": "Your role may not do this.",
  "amount-out-of-range": "This amount cannot be recharged at once.",
  "amount-not-whole-coins": "This amount does not come out in whole coins.",
  "name-out-of-range": "A name has 1 to 32 characters.",
};

const OUTCOMES = {
  accepted: "Sent",
  not_enough_coins: "Refused: not enough coins",
  frozen: "Refused: the account is frozen",
  over_day_limit: "Refused: over today's limit",
  room_closed: "Refused: the room was closed",
  gift_off_shelf: "Refused: the gift was off the shelf",
  no_such_origin: "Refused: nothing to give back",
  over_refund: "Refused: already given back",
  hold_ended: "Refused: the hold had ended",
  over_balance_max: "Refused: the balance would be too large",
};

/** What to tell somebody about an error of `api.js`. */
export function say(error) {
  if (error && error.slug !== undefined) {
    return WORDS[error.slug] || error.message || "This was refused. Nothing was charged.";
  }
  return "There is no connection to the server just now.";
}

/** An outcome, in words; accepts the wire's snake case and slugs. */
export function outcomeWords(outcome) {
  const slug = String(outcome || "");
  return OUTCOMES[slug.replaceAll("-", "_")] || WORDS[slug] || slug;
}

/** Shows a notice for some seconds; a reader of screens says it. */
export function notice(text, kind = "info") {
  const place = document.getElementById("notices");
  if (!place) return;
  while (place.childElementCount >= 3) place.firstElementChild.remove();
  const line = document.createElement("p");
  line.className = `notice ${kind}`;
  line.textContent = text;
  place.append(line);
  setTimeout(() => line.remove(), 6_000);
}

/** Makes an element with text: the only way this site puts words on a page. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
