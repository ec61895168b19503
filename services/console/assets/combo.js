// The combo button: the last gift again with one press, as long as its ring has not run down.
//
// Each press is a send of its own, with its own key; whether sends make one combo, and what it counts, is the
// server's business. A lost end changes nothing.

/** How long the button stays after a send. */
export const COMBO_WINDOW_MS = 5_000;

const button = document.getElementById("combo");
const count = document.getElementById("combo-count");
let last = null;
let ending = 0;

/** Calls `again(send)` for each press. */
export function setUpCombo(again) {
  button?.addEventListener("click", () => {
    if (!last) return;
    button.classList.remove("pressed");
    void button.offsetWidth; // Starts the small animation over.
    button.classList.add("pressed");
    restart();
    again(last);
  });
}

/** Shows the button for a send that was accepted. */
export function offerCombo(send, combo) {
  if (!button) return;
  last = send;
  count.textContent = combo ? `×${combo.count}` : "again";
  button.hidden = false;
  restart();
}

export function endCombo() {
  last = null;
  if (button) button.hidden = true;
}

function restart() {
  clearTimeout(ending);
  button.style.setProperty("--combo-ms", `${COMBO_WINDOW_MS}ms`);
  button.classList.remove("running");
  void button.offsetWidth; // Starts the ring over.
  button.classList.add("running");
  ending = setTimeout(endCombo, COMBO_WINDOW_MS);
}
