// Editing a message where it stands. The text lives in the open chat's state, so that nothing that happens elsewhere
// takes it away.
// @ts-check
import { useLayoutEffect, useRef } from "preact/hooks";
import { branch, editing, editMessage } from "../state/chat.js";
import { say } from "../state/turn.js";
import { t } from "../texts.js";
import { fitHeight } from "./fitHeight.js";
import { html } from "./html.js";

/** @import { Message } from "../types.d.ts" */

const close = () => (editing.value = null);

/** @param {Message} message */
async function save(message) {
  const text = editing.value?.text ?? "";
  if (text === message.text || (await editMessage(message.id, text))) close();
}

/** The text as another way on from here; a person's message is answered anew. @param {Message} message */
async function saveAsBranch(message) {
  if (!(await branch(message.id, editing.value?.text ?? ""))) return;
  close();
  if (message.role === "user") say("");
}

/** @param {{message: Message}} props */
export function Editor({ message }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const text = editing.value?.text ?? "";
  useLayoutEffect(() => {
    area.current?.focus({ preventScroll: true });
    area.current?.setSelectionRange(text.length, text.length);
  }, []);
  useLayoutEffect(() => fitHeight(area.current), [text]);
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(message);
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
      <button type="button" class="button button-main" onClick=${() => save(message)}>${t("web.save")}</button>
      <button type="button" class="button" onClick=${() => saveAsBranch(message)}>
        ${t(message.role === "user" ? "web.message.save_and_reply" : "web.message.save_as_branch")}
      </button>
      <button type="button" class="button button-quiet" onClick=${close}>${t("web.cancel")}</button>
    </div>
  </div>`;
}
