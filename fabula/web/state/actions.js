// What can be done now, by key and from the palette: each room offers its own. Knows no room and no view.
// @ts-check
import { computed, signal } from "@preact/signals";

/**
 * @typedef {object} Action
 * @property {string} id its own in the whole app: the palette remembers it, and finds it by it too
 * @property {string} words what it is called, in the reader's language
 * @property {() => unknown} run
 * @property {string | string[]} [keys] "Ctrl-z", "Alt-n", "?": the first is shown
 * @property {boolean} [typing] the keys hold while something is typed, too
 * @property {boolean} [off] not now
 * @property {any} [icon]
 * @property {string} [note] small words after it
 */

/** What lies over the room. */
export const overlay = signal(/** @type {"" | "palette" | "keys" | "more"} */ (""));

const offers = signal(/** @type {Record<string, () => Action[]>} */ ({}));
const searches = signal(/** @type {Record<string, (text: string) => Promise<Action[]>>} */ ({}));

/** In place of what was offered under that name. Those that cannot be done now are `off`. @param {string} name @param {() => Action[]} list asked each time, so that it is as things are */
export function offer(name, list) {
  offers.value = { ...offers.peek(), [name]: list };
}

/** Actions that are found by what is typed: a chat of a thousand, a character. @param {string} name @param {(text: string) => Promise<Action[]>} find a few, the best first */
export function offerSearch(name, find) {
  searches.value = { ...searches.peek(), [name]: find };
}

/** All that is offered, also what cannot be done now. */
export const offered = computed(() => Object.values(offers.value).flatMap((list) => list()));
export const actions = computed(() => offered.value.filter((action) => !action.off));

/** @param {string} text @returns {Promise<Action[]>} what cannot be asked for is left out */
export async function searchActions(text) {
  const found = await Promise.allSettled(Object.values(searches.peek()).map((find) => find(text)));
  return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
}

/** @param {KeyboardEvent} event "Ctrl-Shift-z", "Alt-n", "?" … */
export function nameOf(event) {
  const main = event.ctrlKey || event.metaKey ? "Ctrl-" : event.altKey ? "Alt-" : "";
  const shift = main && event.shiftKey ? "Shift-" : "";
  return main + shift + (main && event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

/** Keys that this browser's person chose instead, by action; "" = none. */
export const remapped = signal(/** @type {Record<string, string>} */ (chosenKeys()));

function chosenKeys() {
  try {
    return JSON.parse(localStorage.getItem("fabula.keys") ?? "{}");
  } catch {
    return {};
  }
}

/** @param {Record<string, string> | null} changes null = all as they came */
export function remap(changes) {
  remapped.value = changes ? { ...remapped.peek(), ...changes } : {};
  localStorage.setItem("fabula.keys", JSON.stringify(remapped.peek()));
}

/** @param {Action} action */
export const keysOf = ({ id, keys = [] }) => [remapped.value[id] ?? keys].flat();

/** What a key does now, if anything. @param {KeyboardEvent} event @param {boolean} isTyping */
export function actionOf(event, isTyping) {
  const name = nameOf(event);
  return actions.peek().find((action) => keysOf(action).includes(name) && (action.typing || !isTyping));
}
