// Which room is open, and what in it: #/room/ID/rest. Knows only the address.
// @ts-check
import { signal } from "@preact/signals";

/** @typedef {{view: string, id: string, rest: string}} Route each "" where the address ends earlier */

/** An address that somebody typed may be no name at all. @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} hash @returns {Route} */
function read(hash) {
  const [view = "", id = "", ...rest] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  return { view, id, rest: rest.join("/") };
}

let here = location.hash; // that the route was read from
export const route = signal(read(here));

/** Browsers tell of a new address a while after it was gone to, and of each one there: the route is one object until then. */
function follow() {
  if (location.hash === here) return;
  here = location.hash;
  route.value = read(here);
}
addEventListener("hashchange", follow);

/** At once: what is pressed next is meant for where it leads. @param {string} hash */
export function go(hash) {
  location.hash = hash;
  follow();
}

/** A link into the app leads there at once, too. @param {MouseEvent} event */
function followLink(event) {
  const { target, defaultPrevented, button, ctrlKey, metaKey, shiftKey, altKey } = event;
  const link = target instanceof Element ? target.closest("a[href^='#']") : null;
  if (!link || defaultPrevented || button || ctrlKey || metaKey || shiftKey || altKey) return;
  event.preventDefault();
  go(/** @type {HTMLAnchorElement} */ (link).hash);
}
addEventListener("click", followLink);

/** A way that is open while one stays: what is answered late leads nobody away from where they have gone meanwhile. */
export function goFromHere() {
  const from = route.value;
  return (/** @type {string} */ hash) => void (route.value === from && go(hash));
}
