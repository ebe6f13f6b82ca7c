// What was typed and has not reached the studio yet, as a change of the version that it was typed into. Each window keeps
// its own, in the browser, until the studio has it. Knows no server.
// @ts-check

/** @import { Difference } from "./difference.js" */
/** `sent` is what is under way: it may have arrived. @typedef {{version: string, change: Difference, sent: Difference | null, at: number}} Draft */

const TAB = "fabula.window";
const ALIVE_MS = 5000; // another window that is open has given its text to the studio by then, or says that it cannot

/** This window's name; it survives a reload. */
const tab = (sessionStorage[TAB] ??= Math.random().toString(36).slice(2));

/** @param {string} place */
const prefix = (place) => `fabula.written.${place}.`;

/** @param {string} place the document and its chapter @param {Omit<Draft, "at"> | null} draft null: the studio has it all @returns {void} */
export function keepWritten(place, draft) {
  const name = prefix(place) + tab;
  if (!draft) return localStorage.removeItem(name);
  try {
    localStorage.setItem(name, JSON.stringify({ ...draft, at: Date.now() }));
  } catch {
    localStorage.removeItem(name); // a pasted book is more than browsers keep: it is on its way to the studio
  }
}

/** This window's own, and what windows left that are gone, oldest first. They stay until they are dropped. @param {string} place */
export function writtenIn(place) {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(prefix(place)));
  const drafts = names.map((name) => ({ name, draft: /** @type {Draft} */ (JSON.parse(localStorage[name])) }));
  const left = drafts.filter(({ name, draft }) => name.endsWith(`.${tab}`) || Date.now() - draft.at > ALIVE_MS);
  return left.sort((one, other) => one.draft.at - other.draft.at);
}

/** Another window's, that is this one's now. @param {string} name */
export function dropWritten(name) {
  if (!name.endsWith(`.${tab}`)) localStorage.removeItem(name);
}
