// Where pictures of other hosts are allowed: for a character, or for a chat without one. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { tellError } from "./toasts.js";

/** @typedef {{kind: "character" | "chat", id: string, allowed: boolean}} Place where a choice is kept, and what it is */

/** By what was asked for: "chat=ID" or "character=ID". */
export const places = signal(/** @type {Record<string, Place>} */ ({}));
const asked = new Set();

/** Once for each. @param {string} where */
export async function learn(where) {
  if (asked.has(where)) return;
  asked.add(where);
  await api.get(`/pictures/allowed?${where}`).then(
    (place) => (places.value = { ...places.value, [where]: place }),
    () => asked.delete(where), // they stay links
  );
}

/** @param {string} where @param {boolean} allowed */
export async function choose(where, allowed) {
  const [name, id] = where.split("=");
  try {
    const now = await api.put("/pictures/allowed", { [name]: id, allowed });
    const others = Object.entries(places.value).map(([key, place]) => [key, place.kind === now.kind && place.id === now.id ? now : place]);
    places.value = { ...Object.fromEntries(others), [where]: now };
  } catch (error) {
    tellError(error);
  }
}
