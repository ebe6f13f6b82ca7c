// What can be done with one message: swipes, regenerate, continue, copy, edit and the rest in a menu. Knows the open
// chat's verbs, not its list.
// @ts-check
import { signal } from "@preact/signals";
import { branchHere, chat, deleteMessage, editing, showMessage } from "../state/chat.js";
import { tell } from "../state/toasts.js";
import { leaveOut, moveMessage } from "../state/tree.js";
import { asked } from "../state/why.js";
import { busy, lengthen, live, look, regenerate, together } from "../state/turn.js";
import { t } from "../texts.js";
import { comparing } from "./chat/comparing.js";
import { html } from "./html.js";
import { Icon, IconButton } from "./Icon.js";
import { Menu } from "./Menu.js";

/** @import { Message } from "../types.d.ts" */

/** The message whose earlier versions are shown. */
export const versionsOf = signal(/** @type {Message | null} */ (null));

/** The reply whose tokens are looked at. */
export const weighing = signal(/** @type {Message | null} */ (null));

/** The message that is translated. */
export const translating = signal(/** @type {Message | null} */ (null));

/** The message whose checkpoint is named. */
export const naming = signal(/** @type {Message | null} */ (null));

/** @param {Message} message */
export const startEdit = (message) => (editing.value = { id: message.id, text: message.text });

/** @param {Message} message */
export async function copy(message) {
  await navigator.clipboard.writeText(message.text);
  tell(t("web.message.copied"));
}

/** The swipe that is on its way: whoever goes on before it is there goes on from it. */
const heading = signal("");

/** Among its swipes, where it goes to. @param {Message} message */
const placeOf = ({ id, swipe: { ids } }) => ids.indexOf(ids.includes(heading.value) ? heading.value : id);

/** The swipe `step` places on; past the last one of a reply, a new one is written. @param {Message} message @param {number} step */
export async function swipe(message, step) {
  if (live.value?.messageId === message.id) look(step);
  if (busy.value) return;
  const { ids } = message.swipe;
  const next = placeOf(message) + step;
  if (next < 0 || next >= ids.length) return void (step > 0 && message.role === "assistant" && regenerate(message));
  const id = (heading.value = ids[next]);
  await showMessage(id);
  if (heading.value === id) heading.value = "";
}

/** @param {{message: Message, last: boolean}} props */
export function Actions({ message, last }) {
  const off = busy.value;
  const isReply = message.role === "assistant";
  return html`<div class="actions" role="toolbar" aria-label=${t("web.message.actions")}>
    ${(message.swipe.count > 1 || (isReply && last)) && html`<${Swipes} message=${message} off=${off} />`}
    ${isReply && last && html`
      <${IconButton} icon="retry" label=${t("web.message.regenerate")} disabled=${off} onClick=${() => regenerate(message)} />
      <${IconButton} icon="lengthen" label=${t("web.message.continue")} disabled=${off} onClick=${() => lengthen(message)} />
    `}
    <${IconButton} icon="copy" label=${t("web.message.copy")} onClick=${() => copy(message)} />
    <${IconButton} icon="edit" label=${t("web.message.edit")} disabled=${off} onClick=${() => startEdit(message)} />
    <${Menu} label=${t("web.more")} items=${rest(message, off, isReply && last)} align="left"><${Icon} name="more" /><//>
  </div>`;
}

const SEVERAL = 3; // alternatives that are written side by side

/** @param {Message} message @param {boolean} disabled @param {boolean} mayGrow */
function rest(message, disabled, mayGrow) {
  const several = { icon: "retry", label: t("web.message.several"), note: t("web.message.several_about"), disabled, run: () => regenerate(message, SEVERAL) };
  const versions = { icon: "versions", label: t("web.message.versions", { count: message.versions }), run: () => (versionsOf.value = message) };
  const compare = { icon: "compare", label: t("web.message.compare"), run: () => (comparing.value = { message }) };
  return [
    ...(mayGrow ? [several] : []),
    ...(message.role === "assistant" ? [{ icon: "question", label: t("web.why.title"), run: () => (asked.value = message) }] : []),
    ...(message.swipe.count > 1 || message.versions > 1 ? [compare] : []),
    ...(message.role === "assistant" && message.text ? [{ icon: "chances", label: t("web.chances.open"), disabled, run: () => (weighing.value = message) }] : []),
    { icon: "translate", label: t("web.translate.open"), run: () => (translating.value = message) },
    { icon: "branch", label: t("web.message.branch"), note: t("web.message.branch_about"), disabled, run: () => branchHere(message) },
    { icon: "flag", label: t(message.checkpoint ? "web.message.checkpoint_change" : "web.message.checkpoint"), disabled, run: () => (naming.value = message) },
    ...(message.versions > 1 ? [versions] : []),
    { icon: message.left_out ? "check" : "none", label: t(message.left_out ? "web.message.take_in" : "web.message.leave_out"), disabled, run: () => leaveOut(message) },
    { label: t("web.message.earlier"), disabled: disabled || !message.parent_id, run: () => moveMessage(message, false) },
    { label: t("web.message.later"), disabled: disabled || message.id === chat.value?.head_id, run: () => moveMessage(message, true) },
    { icon: "trash", label: t("web.message.delete_alone"), disabled, run: () => deleteMessage(message, true) },
    { icon: "trash", label: t("web.message.delete"), note: t("web.message.delete_about"), disabled, run: () => deleteMessage(message) },
  ];
}

/** Which of the replies that are written side by side is looked at. */
export function LiveSwipes() {
  const lives = together.value;
  if (lives.length < 2) return null;
  const place = lives.indexOf(/** @type {any} */ (live.value)) + 1;
  const count = lives.length;
  return html`<div class="actions"><span class="swipes" role="group" aria-label=${t("web.chat.several")}>
    <${IconButton} icon="left" label=${t("web.message.previous")} disabled=${place <= 1} onClick=${() => look(-1)} />
    <span class="swipes-count" aria-label=${t("web.message.swipe_of", { place, count })}>${place}/${count}</span>
    <${IconButton} icon="right" label=${t("web.message.next")} disabled=${place >= count} onClick=${() => look(1)} />
  </span></div>`;
}

/** @param {{message: Message, off: boolean}} props */
function Swipes({ message, off }) {
  const { count } = message.swipe;
  const place = placeOf(message) + 1;
  const grows = message.role === "assistant";
  return html`<span class="swipes" role="group" aria-label=${t("web.message.swipes")}>
    <${IconButton} icon="left" label=${t("web.message.previous")} disabled=${off || place <= 1} onClick=${() => swipe(message, -1)} />
    <span class="swipes-count" aria-label=${t("web.message.swipe_of", { place, count })}>${place}/${count}</span>
    <${IconButton}
      icon="right"
      label=${place === count && grows ? t("web.message.another") : t("web.message.next")}
      disabled=${off || (place === count && !grows)}
      onClick=${() => swipe(message, 1)}
    />
  </span>`;
}
