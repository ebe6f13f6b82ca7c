// How this browser shows what is written: kept in localStorage. Knows no document.
// @ts-check
import { effect, signal } from "@preact/signals";

/** A signal that survives a reload. @param {string} name @param {string} initial */
function kept(name, initial) {
  const value = signal(localStorage.getItem(`fabula.write.${name}`) ?? initial);
  effect(() => localStorage.setItem(`fabula.write.${name}`, value.value));
  return value;
}

/** "yes": what a model wrote is told apart. */
export const marksShown = kept("marks", "yes");
export const chaptersOpen = kept("chapters", "yes");
/** "" = closed, else which page of the inspector is open. */
export const besideOpen = kept("beside", "");
/** "yes": a notebook is read token by token. */
export const chancesShown = kept("chances", "no");
/** Only the text: not kept, since who comes back looks for the buttons. */
export const onlyText = signal(false);
/** On narrow screens the chapters are a drawer. */
export const drawerOpen = signal(false);

export const flip = (/** @type {import("@preact/signals").Signal<string>} */ one) => (one.value = one.value === "yes" ? "no" : "yes");

effect(() => {
  if (onlyText.value) document.documentElement.dataset.only = "text";
  else delete document.documentElement.dataset.only;
});

/** @param {boolean} on */
export function setOnlyText(on) {
  onlyText.value = on;
  if (on) document.documentElement.requestFullscreen?.().catch(() => null);
  else if (document.fullscreenElement) document.exitFullscreen().catch(() => null);
}

document.addEventListener("fullscreenchange", () => {
  if (!document.fullscreenElement) onlyText.value = false;
});
