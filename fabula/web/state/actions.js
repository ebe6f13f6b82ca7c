// What can be done now, by key and from the palette: each room offers its own. Knows no room and no view.
// @ts-check
import { computed, signal } from "@preact/signals";

/**
 * @typedef {object} Action
 * @property {string} id
 * @property {string} words what it is called, in the reader's language
 * @property {() => unknown} run
 * @property {string | string[]} [keys] "Ctrl-z", "Alt-n", "?": the first is shown
 * @property {boolean} [typing] the keys hold while something is typed, too
 * @property {boolean} [off] not now
 * @property {any} [icon]
 * @property {string} [note] small words after it
 * @property {boolean} [hidden] only a key, not in the palette
 */

const offers = signal(/** @type {Record<string, () => Action[]>} */ ({}));

/** In place of what was offered under that name. Answers how to take it back. @param {string} name @param {() => Action[]} list asked each time, so that it is as things are */
export function offer(name, list) {
  offers.value = { ...offers.peek(), [name]: list };
  return () => {
    if (offers.peek()[name] !== list) return;
    const { [name]: gone, ...others } = offers.peek();
    offers.value = others;
  };
}

/** What can be done now. */
export const actions = computed(() => Object.values(offers.value).flatMap((list) => list()).filter((action) => !action.off));

/** @param {KeyboardEvent} event "Ctrl-Shift-z", "Alt-n", "?" … */
function nameOf(event) {
  const main = event.ctrlKey || event.metaKey ? "Ctrl-" : event.altKey ? "Alt-" : "";
  const shift = main && event.shiftKey ? "Shift-" : "";
  return main + shift + (main && event.key.length === 1 ? event.key.toLowerCase() : event.key);
}

/** What a key does now, if anything. @param {KeyboardEvent} event @param {boolean} isTyping */
export function actionOf(event, isTyping) {
  const name = nameOf(event);
  return actions.value.find((action) => [action.keys ?? []].flat().includes(name) && (action.typing || !isTyping));
}
