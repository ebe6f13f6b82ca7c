// What can be done now, by key and from the palette: each room offers its own; and keys that come before what they are meant
// for is there, which are kept for it. Knows no room, no view and no field.
// @ts-check
import { computed, signal } from "@preact/signals";

/**
 * @typedef {object} Action
 * @property {string} id its own in the whole app: the palette remembers it, and finds it by it too
 * @property {string} words what it is called, in the reader's language
 * @property {string} [name] of what it is about: who types just that means it
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

/** What a key does now, if anything. @param {KeyboardEvent} event */
export function actionOf(event) {
  const name = nameOf(event);
  return actions.peek().find((action) => keysOf(action).includes(name) && (action.typing || !isTyping(event)));
}

// ── typed before it is there ────────────────────────────────────────────────────────────────────────────

const FIELD = "input:not([type=checkbox],[type=radio]), textarea, select";

/** What was typed so far, by what it is meant for. @type {Map<string, string>} */
const typed = new Map();
/** The last one is waited for. @type {{name: string, over: boolean}[]} */
const awaited = [];

/** @param {Event} event */
const isTyping = ({ target }) => target instanceof HTMLElement && Boolean(target.closest(FIELD));

/**
 * From now on, until it is told to end, what is typed is meant for something that is on its way.
 * @param {string} name "": nothing takes it @param {boolean} [over] it lies over the room: also what is typed while a field of the room has the focus
 * @returns {() => void} ends it
 */
export function keepAhead(name, over = false) {
  const one = { name, over };
  awaited.push(one);
  return () => void awaited.splice(awaited.indexOf(one), 1);
}

/** What was typed for it, once. @param {string} name */
export function takeAhead(name) {
  const text = typed.get(name) ?? "";
  typed.delete(name);
  return text;
}

/** @param {KeyboardEvent} event */
const isCommand = (event) => (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");

addEventListener(
  "keydown",
  (event) => {
    const one = awaited.at(-1);
    if (!one?.name || event.isComposing || isCommand(event) || (!one.over && isTyping(event))) return;
    const now = typed.get(one.name) ?? "";
    if (!now && !one.over && (event.key === " " || event.key === "Enter")) return; // they press what has the focus
    if (event.key.length === 1) typed.set(one.name, now + event.key);
    else if (event.key === "Backspace") typed.set(one.name, [...now].slice(0, -1).join(""));
    else if (event.key !== "Enter") return; // what it would send is not there yet
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);
