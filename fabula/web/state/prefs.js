// How this browser likes it: theme, reading font, keys. Kept in localStorage. Knows no server.
// @ts-check
import { effect, signal } from "@preact/signals";

export const THEMES = /** @type {const} */ (["auto", "light", "dark", "sepia", "mist", "midnight", "contrast"]);
export const READINGS = /** @type {const} */ (["serif", "sans", "mono"]);

/** A signal that survives a reload. @param {string} name @param {string} initial */
function kept(name, initial) {
  const value = signal(localStorage.getItem(`fabula.${name}`) ?? initial);
  effect(() => localStorage.setItem(`fabula.${name}`, value.value));
  return value;
}

export const theme = kept("theme", "auto");
export const reading = kept("reading", "serif");
/** "yes": Enter sends and Shift-Enter breaks the line; "no": the other way round. */
export const enterSends = kept("enter_sends", "yes");
export const sidebarOpen = kept("sidebar", "yes");
export const panelOpen = kept("panel", "no");
/** Whether the panel shows what the settings do to the next word. */
export const pictureOpen = kept("picture", "no");
/** What the person is called in chats with characters; "" as the studio says. */
export const personaName = kept("persona_name", "");
/** The model that the next new chat starts with. */
export const lastModel = kept("model", "");
