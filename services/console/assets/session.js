// Who is signed in, and development sign-in. Pages import this first.

import { call } from "./api.js";
import { say } from "./words.js";

const NAME = "largesse.name";

export const role = document.body.dataset.role || "";
export const sub = document.body.dataset.sub || "";

const at = (id) => document.getElementById(id);

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close("no"));
}

function showName() {
  const kept = JSON.parse(localStorage.getItem(NAME) || "{}");
  if (!sub || kept.sub !== sub) return;
  at("person-name").textContent = kept.name;
  at("avatar").textContent = kept.name.slice(0, 1).toUpperCase();
}

async function signIn(event) {
  event.preventDefault();
  const form = new FormData(at("sign-in-form"));
  const body = { name: String(form.get("name")), role: String(form.get("role")) };
  try {
    const who = await call("POST", "/dev/sign-in", { body });
    localStorage.setItem(NAME, JSON.stringify({ sub: who.sub, name: who.name }));
    location.reload();
  } catch (error) {
    at("sign-in-error").textContent = say(error);
  }
}

async function signOut() {
  try {
    await call("POST", "/dev/sign-out");
  } finally {
    location.reload();
  }
}

at("open-sign-in")?.addEventListener("click", () => {
  at("sign-in-dialog").showModal();
  at("sign-in-name").focus();
});
at("sign-in-form")?.addEventListener("submit", signIn);
at("sign-out")?.addEventListener("click", signOut);
showName();
