// What stands at the right of the open chat beside its settings: the map, the memory … one at a time. Knows no part.
// @ts-check
import { effect, signal } from "@preact/signals";
import { panelOpen } from "./prefs.js";

/** "" = nothing. */
export const side = signal("");

/** @param {string} name */
export function openSide(name) {
  panelOpen.value = "no";
  side.value = name;
}

export const closeSide = () => (side.value = "");

/** @param {string} name */
export const toggleSide = (name) => (side.value === name ? closeSide() : openSide(name));

effect(() => {
  if (panelOpen.value === "yes") closeSide();
});
