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

export const route = signal(read(location.hash));
addEventListener("hashchange", () => (route.value = read(location.hash)));

/** @param {string} hash */
export function go(hash) {
  location.hash = hash;
}

/** A way that is open while one stays: what is answered late leads nobody away from where they have gone meanwhile. */
export function goFromHere() {
  const here = route.value;
  return (/** @type {string} */ hash) => void (route.value === here && go(hash));
}
