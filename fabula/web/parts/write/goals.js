// How long a document is to be, in words: kept in this browser. Knows no document.
// @ts-check
import { signal } from "@preact/signals";

const changes = signal(0);

/** 0 = none. @param {string} id */
export const goalOf = (id) => (changes.value, Number(localStorage.getItem(`fabula.goal.${id}`) ?? 0));

/** @param {string} id @param {number} words */
export function setGoal(id, words) {
  if (words > 0) localStorage.setItem(`fabula.goal.${id}`, String(Math.round(words)));
  else localStorage.removeItem(`fabula.goal.${id}`);
  changes.value += 1;
}
