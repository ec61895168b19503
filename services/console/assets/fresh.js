// A fresh copy of this page, as the server draws it now: acts and clocks put its parts in the place of the old ones, so
// that no row is drawn in two languages.

import { Lost } from "./api.js";
import { submit } from "./desk.js";

/** How long a fresh copy may take. */
const COPY_WAIT_MS = 10_000;

/** This page as it is now, or null where it could not be had: what is shown then stays. */
async function copyOfPage() {
  try {
    const answer = await fetch(location.href, {
      headers: { accept: "text/html" },
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(COPY_WAIT_MS),
    });
    if (!answer.ok) throw new Lost(`status ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null;
  }
}

/** A part with a stamp is new where its stamp is; any other where it differs. */
function isNew(now, next) {
  if (next.dataset.stamp !== undefined) return next.dataset.stamp !== now.dataset.stamp;
  return !now.isEqualNode(next);
}

/** Puts what is new of the parts that `css` names in their places, by their ids. Gives whether a copy was had. */
export async function refresh(css = "[data-live]") {
  const copy = await copyOfPage();
  if (copy === null) return false;
  for (const now of document.querySelectorAll(css)) {
    const next = copy.getElementById(now.id);
    if (next !== null && isNew(now, next)) now.replaceWith(document.adoptNode(next));
  }
  document.title = copy.title;
  return true;
}

/** Refreshes the live parts now and then, while somebody looks. */
export function refreshEvery(ms) {
  setInterval(() => {
    if (!document.hidden) refresh();
  }, ms);
}

/** Sends forms by their ids, or by what many of them say they send, those too that come with a fresh copy of a part. */
export function onSubmits(sends) {
  document.addEventListener("submit", (event) => {
    const send = sends[event.target.dataset.sends ?? event.target.id];
    if (send) submit(event, event.target, send);
  });
}
