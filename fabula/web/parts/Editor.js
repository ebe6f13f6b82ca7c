// Editing a message where it stands. The text lives in the open chat's state, so that nothing that happens elsewhere
// takes it away.
// @ts-check
import { useLayoutEffect, useRef } from "preact/hooks";
import { branch, chat, editing, editMessage } from "../state/chat.js";
import { say } from "../state/turn.js";
import { t } from "../texts.js";
import { fitHeight } from "./fitHeight.js";
import { html } from "./html.js";
import { usePress } from "./Icon.js";

/** @import { Message } from "../types.d.ts" */

const close = () => (editing.value = null);

/** Another message may be edited by now, or the text have grown. @param {Message} message @param {string} text that was saved */
const closeIf = ({ id }, text) => editing.value?.id === id && editing.value.text === text && close();

/** @param {Message} message */
async function save(message) {
  const text = editing.value?.text ?? "";
  if (text === message.text || (await editMessage(message.id, text))) closeIf(message, text);
}

/** The text as another way on from here; a person's message is answered anew. @param {Message} message */
async function saveAsBranch(message) {
  const [id, text] = [chat.value?.id, editing.value?.text ?? ""];
  if (!(await branch(message.id, text)) || chat.value?.id !== id) return;
  closeIf(message, text);
  if (message.role === "user") say("");
}

/** @param {{message: Message}} props */
export function Editor({ message }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const text = editing.value?.text ?? "";
  const [saves, press] = usePress((work) => work(message)); // one of the two, once
  useLayoutEffect(() => {
    area.current?.focus({ preventScroll: true });
    area.current?.setSelectionRange(text.length, text.length);
  }, []);
  useLayoutEffect(() => fitHeight(area.current), [text]);
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) press(save);
  };
  return html`<div class="editor">
    <textarea
      ref=${area}
      class="field editor-text"
      aria-label=${t("web.message.edit_label")}
      value=${text}
      onInput=${(/** @type {any} */ event) => (editing.value = { id: message.id, text: event.target.value })}
      onKeyDown=${keyDown}
    ></textarea>
    <div class="row">
      <button type="button" class="button button-main" aria-busy=${saves || undefined} onClick=${() => press(save)}>${t("web.save")}</button>
      <button type="button" class="button" aria-busy=${saves || undefined} onClick=${() => press(saveAsBranch)}>
        ${t(message.role === "user" ? "web.message.save_and_reply" : "web.message.save_as_branch")}
      </button>
      <button type="button" class="button button-quiet" onClick=${close}>${t("web.cancel")}</button>
    </div>
  </div>`;
}
