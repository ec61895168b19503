// Keys of the inbox. The focus is on the link of a row, so that Enter opens it by itself and a reader of screens reads it.

const at = (id) => document.getElementById(id);

/** Where a key is text, or somebody is asked something, or the browser means something by it. */
function isElsewhere(event) {
  const takesText = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  return takesText !== null || event.ctrlKey || event.metaKey || event.altKey;
}

function links() {
  return [...document.querySelectorAll("#breaks a.open")];
}

/** The row that has the focus, else none. */
function current() {
  return document.activeElement?.closest("#breaks tbody tr") ?? null;
}

function move(by) {
  const all = links();
  const now = all.indexOf(current()?.querySelector("a.open"));
  const next = now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by));
  all[next]?.focus();
  all[next]?.closest("tr").scrollIntoView({ block: "nearest" });
}

/** Sets the keys up. Each act gets the row that has the focus; `choose` is only for a row. */
export function onKeys({ choose, assign, propose }) {
  document.addEventListener("keydown", (event) => {
    if (isElsewhere(event)) return;
    const line = current();
    const acts = {
      j: () => move(1),
      k: () => move(-1),
      x: () => line && choose(line),
      a: () => assign(line),
      p: () => propose(line),
      "?": () => at("keys-dialog").showModal(),
    };
    const wanted = acts[event.key];
    if (!wanted) return;
    event.preventDefault();
    wanted();
  });
}
