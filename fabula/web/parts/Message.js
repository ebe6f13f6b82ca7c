// One message: name, text, and the quiet line under it. Messages far from the screen are drawn without their actions.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { branchHere, chat, deleteMessage, editing } from "../state/chat.js";
import { t } from "../texts.js";
import { Actions, copy, LiveSwipes, startEdit, swipe } from "./Actions.js";
import { translationsOf } from "../state/translations.js";
import { busy } from "../state/turn.js";
import { Beside } from "./Beside.js";
import { Editor } from "./Editor.js";
import { Facts, noticesOf } from "./Facts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";
import { LiveMarkdown, Markdown } from "./Markdown.js";
import { LiveStatus } from "./LiveStatus.js";
import { Thinking } from "./Thinking.js";
import { Translation } from "./Translation.js";

/** @import { Message as MessageOf } from "../types.d.ts" */
/** @import { Live } from "../state/turn.js" */

const NEAR = "400px";

/** @type {WeakMap<Element, (near: boolean) => void>} */
const watchers = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => entries.forEach((entry) => watchers.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: `${NEAR} 0px` },
);

/** Whether an element is on the screen or close to it. @param {{current: Element | null}} element */
function useNear(element) {
  const [near, setNear] = useState(false);
  useEffect(() => {
    const node = /** @type {Element} */ (element.current);
    watchers.set(node, setNear);
    observer.observe(node);
    return () => observer.unobserve(node);
  }, []);
  return near;
}

/** @param {MessageOf} message */
export function nameOf(message) {
  if (message.author) return message.author;
  if (message.role === "user") return t("web.chat.you");
  if (message.role === "system") return t("web.chat.system");
  return message.facts?.model || chat.value?.model || t("web.chat.assistant");
}

/** @param {{message: MessageOf, live: Live | null, last: boolean, place: number, total: number}} props */
export function Message({ message, live, last, place, total }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const near = useNear(element);
  const name = nameOf(message);
  const isEdited = editing.value?.id === message.id;
  return html`<article
    ref=${element}
    class=${`message message-${message.role} ${message.left_out ? "message-left-out" : ""} ${message.id ? "" : "message-sent"}`}
    data-id=${message.id}
    tabindex="0"
    aria-label=${t("web.message.label", { name, place })}
    aria-posinset=${place}
    aria-setsize=${total}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => keyDown(event, message)}
  >
    <div class="message-name"><${Beside} message=${message} name=${name} />${message.checkpoint && html`<span class="message-mark"><${Icon} name="flag" />${message.checkpoint}</span>`}${message.left_out && html`<span class="message-mark">${t("web.message.is_left_out")}</span>`}</div>
    ${live && html`<${LiveStatus} live=${live} />`}
    <${Thinking} key=${message.id} live=${live} message=${message} />
    ${isEdited ? html`<${Editor} message=${message} />` : live ? html`<${LiveMarkdown} key=${live.messageId} text=${live.text} />` : html`<${Markdown} text=${message.shown ?? message.text} pictures=${`chat=${chat.value?.id}`} />`}
    ${!live && !isEdited && translationsOf(message).map((one) => html`<${Translation} key=${one.language} one=${one} />`)}
    <footer class="message-foot">
      ${live && html`<${LiveSwipes} />`}
      ${!live && near && !isEdited && message.id && html`<${Actions} message=${message} last=${last} />`}
      ${!live && near && message.facts && html`<${Facts} facts=${message.facts} />`}
      ${!live && message.facts && noticesOf(message.facts).map((notice) => html`<div class="notice">${notice}</div>`)}
    </footer>
  </article>`;
}

/** Keys on a focused message (not inside its text field or menus). @param {KeyboardEvent} event @param {MessageOf} message */
function keyDown(event, message) {
  if (event.target !== event.currentTarget || !message.id || event.ctrlKey || event.metaKey || event.altKey) return;
  const verb = VERBS[event.key];
  if (!verb || (CHANGES.has(event.key) && busy.value)) return;
  event.preventDefault();
  verb(message, /** @type {HTMLElement} */ (event.currentTarget));
}

const CHANGES = new Set(["e", "b", "Delete"]);

/** @type {Record<string, (message: MessageOf, element: HTMLElement) => void>} */
const VERBS = {
  ArrowLeft: (message) => swipe(message, -1),
  ArrowRight: (message) => swipe(message, 1),
  ArrowUp: (_, element) => neighbour(element.previousElementSibling),
  ArrowDown: (_, element) => neighbour(element.nextElementSibling),
  e: startEdit,
  c: copy,
  b: branchHere,
  Delete: (message) => deleteMessage(message),
};

/** @param {Element | null} element */
function neighbour(element) {
  if (element instanceof HTMLElement) element.focus();
}
