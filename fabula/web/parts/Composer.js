// Where the person writes. The draft is kept until the studio has taken it. Knows how to say and to stop, nothing else.
// @ts-check
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { takeAhead } from "../state/actions.js";
import { chat, page, whenOpened } from "../state/chat.js";
import { attach, attachAgain, attachedTo, composed, detach, detachAll } from "../state/attaching.js";
import { draftOf, insertText, keepDraft, redraft, redrafted } from "../state/drafts.js";
import { enterSends } from "../state/prefs.js";
import { tellGroup } from "../state/group.js";
import { isStory, writeForMe, writing } from "../state/story.js";
import { busy, stop, stopping } from "../state/turn.js";
import { t } from "../texts.js";
import { startEdit } from "./Actions.js";
import { fitHeight } from "./fitHeight.js";
import { html } from "./html.js";
import { Icon, IconButton } from "./Icon.js";

/** @param {{chatId: string, disabled?: boolean}} props */
export function Composer({ chatId, disabled = false }) {
  const area = useRef(/** @type {any} */ (null));
  const [text, setText] = useState(() => draftOf(chatId) + takeAhead(`chat ${chatId}`));
  const write = (/** @type {string} */ value) => (setText(value), keepDraft(chatId, value));
  const submit = async () => {
    const said = text.trim();
    const list = attachedTo(chatId);
    if (!(said || list.length) || busy.value || disabled) return;
    write("");
    detachAll(chatId);
    if ((await whenOpened(chatId)) && (await tellGroup(composed(said, list)))) return;
    redraft(chatId, (now) => [said, now].filter(Boolean).join("\n")); // what was typed meanwhile stays
    attachAgain(chatId, list);
  };
  const take = async (/** @type {File[]} */ files) => (await whenOpened(chatId)) && attach(files);
  const pasted = (/** @type {ClipboardEvent} */ event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  };
  useLayoutEffect(() => fitHeight(area.current), [text]);
  useLayoutEffect(() => keepDraft(chatId, text), []); // with what was typed on the way here
  useLayoutEffect(() => {
    if (redrafted.value.chatId === chatId) setText(draftOf(chatId));
  }, [redrafted.value.n]);
  useLayoutEffect(() => {
    if (matchMedia("(hover: hover)").matches) area.current.focus();
  }, []);

  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    // While an input method composes (Chinese, Japanese …) Enter takes its suggestion.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "ArrowUp" && !text) editLastOwn(event);
    else if (event.key === "Enter" && event.shiftKey !== (enterSends.value === "yes")) {
      event.preventDefault();
      submit();
    }
  };
  const forMe = async () => {
    insertText(chatId, await writeForMe(), "\n"); // somebody may have begun meanwhile
  };
  const list = attachedTo(chatId);
  return html`${list.length > 0 && html`<ul class="attached" aria-label=${t("web.attach.label")}>${list.map((one) => html`<${Chip} key=${one} one=${one} off=${() => detach(chatId, one)} />`)}</ul>`}
  <form class="composer" onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), submit())}>
    <${AttachButton} disabled=${disabled} take=${take} />
    <textarea
      ref=${area}
      id="composer"
      class="composer-text"
      rows="1"
      aria-label=${t("web.composer.label")}
      placeholder=${t("web.composer.placeholder")}
      enterkeyhint=${enterSends.value === "yes" ? "send" : "enter"}
      value=${text}
      onInput=${(/** @type {any} */ event) => write(event.target.value)}
      onKeyDown=${keyDown}
      onPaste=${pasted}
    ></textarea>
    ${!text && !busy.value && (isStory(chat.value) || page.value.total > 0) && html`<${IconButton} icon="edit" label=${t(writing.value ? "web.composer.writing_for_me" : "web.composer.write_for_me")} disabled=${writing.value || disabled} onClick=${forMe} />`}
    ${busy.value ? html`<${StopButton} />` : html`<button type="submit" class="round-button" aria-label=${t("web.composer.send")} title=${t("web.composer.send")} disabled=${!(text.trim() || list.length) || disabled}>
      <${Icon} name="send" />
    </button>`}
  </form>`;
}

/** @param {{disabled: boolean, take: (files: File[]) => unknown}} props */
function AttachButton({ disabled, take }) {
  const input = useRef(/** @type {any} */ (null));
  const picked = (/** @type {any} */ event) => {
    take([...event.target.files]);
    event.target.value = "";
  };
  return html`<${IconButton} icon="clip" label=${t("web.attach.open")} disabled=${disabled} onClick=${() => input.current.click()} />
    <input ref=${input} type="file" hidden multiple onChange=${picked} />`;
}

/** @param {{one: import("../state/attaching.js").Attached, off: () => void}} props */
function Chip({ one, off }) {
  return html`<li>
    ${one.kind === "picture" ? html`<img src=${one.address} alt="" />` : html`<${Icon} name="memory" />`}
    <span>${one.name}</span>
    <${IconButton} icon="close" label=${t("web.attach.remove", { name: one.name })} onClick=${off} />
  </li>`;
}

function StopButton() {
  const label = t("web.composer.stop");
  return html`<button type="button" class="round-button round-button-stop" aria-label=${label} title=${label} disabled=${stopping.value} onClick=${stop}>
    <${Icon} name="stop" />
  </button>`;
}

/** @param {KeyboardEvent} event */
function editLastOwn(event) {
  const own = page.value.messages.findLast((message) => message.role === "user");
  if (!own || busy.value) return;
  event.preventDefault();
  startEdit(own);
}
