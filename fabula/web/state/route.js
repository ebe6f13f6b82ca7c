// Which room is open: #/ home, #/chat[/ID], #/characters, #/lore[/ID], #/models, #/settings. Knows only the address.
// @ts-check
import { signal } from "@preact/signals";

/** @typedef {{view: "home" | "chat" | "characters" | "lore" | "models" | "settings", id: string}} Route */

const PLAIN = /** @type {const} */ (["characters", "models", "settings"]);

/** @param {string} hash @returns {Route} */
function read(hash) {
  const [view = "", id = ""] = hash.replace(/^#\/?/, "").split("/");
  if (view === "chat" || view === "lore") return { view, id: decodeURIComponent(id) };
  return { view: PLAIN.find((name) => name === view) ?? "home", id: "" };
}

export const route = signal(read(location.hash));
addEventListener("hashchange", () => (route.value = read(location.hash)));

/** @param {string} hash */
export function go(hash) {
  location.hash = hash;
}
