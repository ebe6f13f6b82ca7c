// One set of quick replies: what it is called, where it holds, and its replies, of which one is open to be written. A field
// is saved when it is left. Knows the open chat.
// @ts-check
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { saveAs } from "../../api.js";
import { chat } from "../../state/chat.js";
import { replies } from "../../state/replies.js";
import { addReply, changeReply, changeSet, choose, cutReply, moveReply, opened, removeSet, setFile } from "../../state/replySets.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton } from "../Icon.js";
import { Tick } from "../Kept.js";

/** @import { Reply, ReplySet } from "../../state/replies.js" */
/** @typedef {Reply & {key: string}} Keyed */

const give = (/** @type {ReplySet} */ set) =>
  setFile(set).then((file) => saveAs(new Blob([JSON.stringify(file, null, 2)], { type: "application/json" }), `${set.name}.json`), tellError);

/** @param {{set: Omit<ReplySet, "replies"> & {replies: Keyed[]}}} props */
export function OneSet({ set }) {
  const { id, name } = set;
  return html`<section class="memory-part" aria-label=${name}>
    <div class="row row-spread"><h3>${name}</h3>
      <span><${IconButton} icon="away" label=${t("web.replies.give", { name })} onClick=${() => give(set)} />
      <${IconButton} icon="trash" label=${t("web.replies.remove", { name })} onClick=${() => removeSet(set)} /></span></div>
    <${Whole} set=${set} />
    <ul class="reply-list">${set.replies.map((reply, place) => html`<${Row} key=${reply.key} set=${id} reply=${reply} first=${place === 0} last=${place === set.replies.length - 1} />`)}</ul>
    <${NewReply} id=${id} name=${name} />
  </section>`;
}

/** @param {{set: ReplySet}} props */
function Whole({ set: { id, name, everywhere, sends } }) {
  const rename = (/** @type {any} */ event) => event.target.value.trim() && changeSet(id, { name: event.target.value.trim() });
  const isHere = replies.value.some((one) => one.id === id);
  return html`<details class="reply-whole"><summary class="quiet">${t("web.replies.whole")}</summary>
    <label class="block"><span class="label">${t("web.replies.set_name")}</span><input class="field" maxlength="200" required defaultValue=${name} onChange=${rename} /></label>
    <label class="check"><${Tick} value=${everywhere} save=${(/** @type {boolean} */ on) => changeSet(id, { everywhere: on })} /><span>${t("web.replies.everywhere")}</span></label>
    ${!everywhere && chat.value && html`<label class="check"><${Tick} key=${chat.value.id} value=${isHere} save=${(/** @type {boolean} */ on) => choose(id, on)} /><span>${t("web.replies.here")}</span></label>`}
    <label class="check"><${Tick} value=${sends} save=${(/** @type {boolean} */ on) => changeSet(id, { sends: on })} /><span>${t("web.replies.sends")}</span></label>
  </details>`;
}

/** @param {{set: string, reply: Keyed, first: boolean, last: boolean}} props */
function Row({ set, reply, first, last }) {
  const { key, label, message, hidden, unknown } = reply;
  const isOpen = opened.value === key;
  const told = unknown.length ? t("web.replies.unknown", { names: unknown.join(", ") }) : message;
  return html`<li>
    <button type="button" class="reply-row" aria-expanded=${isOpen} onClick=${() => (opened.value = isOpen ? "" : key)}>
      <b>${label}</b><span class="quiet">${hidden && html`<em>${t("web.replies.is_hidden")}</em> `}${!isOpen && told}</span></button>
    ${isOpen && html`<${Fields} set=${set} reply=${reply} first=${first} last=${last} />`}
  </li>`;
}

/** @param {{set: string, reply: Keyed, first: boolean, last: boolean}} props */
function Fields({ set, reply, first, last }) {
  const { key, label, title, message, hidden, unknown } = reply;
  const text = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useLayoutEffect(() => void (message || text.current?.focus()), []);
  const write = (/** @type {"label" | "title" | "message"} */ field) => (/** @type {any} */ event) => {
    const value = event.target.value;
    if (field !== "label" || value.trim()) changeReply(set, key, { [field]: value });
  };
  return html`<div class="reply-fields">
    <label class="block"><span class="label">${t("web.replies.label_field")}</span><input class="field" maxlength="200" required defaultValue=${label} onChange=${write("label")} /></label>
    <label class="block"><span class="label">${t("web.replies.text")}</span><textarea ref=${text} class="field" rows="3" defaultValue=${message} onChange=${write("message")}></textarea>
      <small class="quiet">${unknown.length ? t("web.replies.unknown", { names: unknown.join(", ") }) : t("web.replies.text_about")}</small></label>
    <label class="block"><span class="label">${t("web.replies.hint")}</span><input class="field" maxlength="1000" defaultValue=${title} onChange=${write("title")} /></label>
    <div class="row row-spread">
      <label class="check"><${Tick} value=${hidden} save=${(/** @type {boolean} */ on) => changeReply(set, key, { hidden: on })} /><span>${t("web.replies.hide")}</span></label>
      <span>
        <${IconButton} icon="up" label=${t("web.replies.up", { name: label })} disabled=${first} onClick=${() => moveReply(set, key, -1)} />
        <${IconButton} icon="down" label=${t("web.replies.down", { name: label })} disabled=${last} onClick=${() => moveReply(set, key, 1)} />
        <${IconButton} icon="trash" label=${t("web.replies.remove", { name: label })} onClick=${() => cutReply(set, reply)} />
      </span>
    </div>
  </div>`;
}

/** @param {{id: string, name: string}} props */
function NewReply({ id, name }) {
  const [label, setLabel] = useState("");
  const words = t("web.replies.new_reply", { name });
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!label.trim()) return;
    addReply(id, label.trim()).then((done) => done || setLabel((now) => now || label));
    setLabel("");
  };
  return html`<form class="reply-new" onSubmit=${add}>
    <input class="field" maxlength="200" aria-label=${words} placeholder=${t("web.replies.new_label")} value=${label} onInput=${(/** @type {any} */ event) => setLabel(event.target.value)} />
    <button type="submit" class="button" disabled=${!label.trim()}><${Icon} name="plus" />${t("web.replies.add")}</button>
  </form>`;
}
