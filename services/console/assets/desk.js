// What acts of finance's pages share: who may act, how forms are sent, and what is said of a refusal.

import { Lost } from "./api.js";
import { role } from "./session.js";
import { element, say } from "./words.js";

export const at = (id) => document.getElementById(id);

/** Who proposes, and who does more than read. The API has the last word. */
export const isMaker = role === "finance" || role === "finance-maker";
export const isWorker = isMaker || role === "finance-checker";

/** An element with children. */
export function made(name, className, ...children) {
  const parent = element(name, className);
  parent.append(...children.filter((child) => child !== null && child !== undefined));
  return parent;
}

export function link(href, text, className) {
  const anchor = element("a", className, text);
  anchor.href = href;
  return anchor;
}

/** Refusals that the API words for programs. */
const REFUSALS = {
  "maker-is-checker": "You made this yourself. Another person must decide it.",
  "break-moved": "Somebody else took a step first. Look at the break again.",
  "step-not-now": "The break does not stand where this could be done. Look at it again.",
  "role-not-allowed": "Your role may not do this.",
};

/** What to tell somebody of finance about an error: the API's own words, which say nothing of charges. */
export function sayWhy(error) {
  if (error?.slug !== undefined) {
    const isSession = /^(token|csrf)-/.test(error.slug);
    return REFUSALS[error.slug] ?? (isSession ? say(error) : error.message);
  }
  if (error instanceof Lost) return `There is no answer from the server just now (${error.message}).`;
  return error?.message ?? String(error);
}

/** Sends a form by `send`; while it is under way nobody can send it twice, and what is refused is said in it. */
export async function submit(event, form, send) {
  event.preventDefault();
  if (form.inert) return;
  const { submitter } = event;
  const error = form.querySelector(".error");
  if (error) error.textContent = "";
  const filled = new FormData(form);
  form.inert = true;
  try {
    await send(filled, submitter, form);
  } catch (refused) {
    if (error) error.textContent = sayWhy(refused);
    else throw refused;
  } finally {
    form.inert = false;
    if (document.activeElement === document.body) submitter?.focus();
  }
}

export function onSubmit(form, send) {
  form?.addEventListener("submit", (event) => submit(event, form, send));
}
