// The lobby: finding a room by its title.

import { role } from "./session.js";
import { watchBalance } from "./wallet.js";

const find = document.getElementById("find-room");
find?.addEventListener("input", () => {
  const wanted = find.value.trim().toLocaleLowerCase();
  let shown = 0;
  for (const card of document.querySelectorAll(".room-card")) {
    card.hidden = !card.textContent.toLocaleLowerCase().includes(wanted);
    shown += card.hidden ? 0 : 1;
  }
  document.getElementById("no-room").hidden = shown > 0 || wanted === "";
});

if (role === "viewer") watchBalance();
