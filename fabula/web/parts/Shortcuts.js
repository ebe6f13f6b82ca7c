// The list of keys, shown with "?": those that rooms offer, and those of the composer and of a focused message. Knows
// no handler.
// @ts-check
import { ROOMS } from "../rooms.js";
import { keysOf, offered, overlay } from "../state/actions.js";
import { enterSends } from "../state/prefs.js";
import { t } from "../texts.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { shownKeys } from "./words.js";

ROOMS.forEach((room) => room.actions?.().catch(() => null));

const close = () => (overlay.value = "");

/** Keys and what they do where the focus is, in reading order. @type {[string, string][]} */
const COMPOSER = [
  ["Enter", "send"],
  ["Shift-Enter", "break"],
  ["↑", "edit_last"],
];
/** @type {[string, string][]} */
const MESSAGE = [
  ["↑ ↓", "walk"],
  ["← →", "swipe"],
  ["E", "edit"],
  ["C", "copy"],
  ["B", "branch"],
  ["Del", "delete"],
];

export function Shortcuts() {
  const everywhere = offered.value.filter((action) => keysOf(action).length).map((action) => [keysOf(action)[0], action.words]);
  const named = (/** @type {[string, string][]} */ list) => list.map(([keys, name]) => [keys, t(`web.keys.${name}`)]);
  const [send, line] = enterSends.value === "yes" ? COMPOSER : [["Shift-Enter", "send"], ["Enter", "break"]];
  return html`<${Dialog} title=${t("web.keys.title")} close=${close}>
    <dl class="keys">
      ${[...everywhere, ...named([/** @type {any} */ (send), /** @type {any} */ (line), COMPOSER[2], ...MESSAGE])].map(
        ([keys, words]) => html`<div key=${words}><dt>${shownKeys(keys).map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${words}</dd></div>`,
      )}
    </dl>
  <//>`;
}
