// The list of keys, shown with "?". Knows no handler.
// @ts-check
import { enterSends, shortcutsOpen } from "../state/prefs.js";
import { t } from "../texts.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";

const close = () => (shortcutsOpen.value = false);

/** Keys and what they do, in reading order. */
const KEYS = [
  ["Enter", "send"],
  ["Shift Enter", "break"],
  ["Esc", "stop"],
  ["↑", "edit_last"],
  ["/", "compose"],
  ["Alt N", "new"],
  ["Ctrl Z", "undo"],
  ["Ctrl Y", "redo"],
  ["Ctrl Home", "start"],
  ["Ctrl End", "end"],
  ["↑ ↓", "walk"],
  ["← →", "swipe"],
  ["E", "edit"],
  ["C", "copy"],
  ["B", "branch"],
  ["Del", "delete"],
  ["?", "help"],
];

export function Shortcuts() {
  const swapped = enterSends.value !== "yes";
  return html`<${Dialog} title=${t("web.keys.title")} close=${close}>
    <dl class="keys">
      ${KEYS.map(([keys, name]) => html`<dt>${shown(keys, name, swapped).split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${t(`web.keys.${name}`)}</dd>`)}
    </dl>
  <//>`;
}

/** @param {string} keys @param {string} name @param {boolean} swapped */
function shown(keys, name, swapped) {
  if (!swapped) return keys;
  return { send: "Shift Enter", break: "Enter" }[name] ?? keys;
}
