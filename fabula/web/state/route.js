// Which room is open: #/ home, #/chat[/ID], #/settings. Knows only the address.
// @ts-check
import { signal } from "@preact/signals";

/** @typedef {{view: "home" | "chat" | "settings", id: string}} Route */

/** @param {string} hash @returns {Route} */
function read(hash) {
  const [view = "", id = ""] = hash.replace(/^#\/?/, "").split("/");
  if (view === "chat") return { view, id: decodeURIComponent(id) };
  return { view: view === "settings" ? "settings" : "home", id: "" };
}

export const route = signal(read(location.hash));
addEventListener("hashchange", () => (route.value = read(location.hash)));

/** @param {string} hash */
export function go(hash) {
  location.hash = hash;
}
