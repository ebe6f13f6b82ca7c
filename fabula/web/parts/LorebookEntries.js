// The entries of one lorebook, each a form that is saved when a field is left. Knows the fields' names in world files.
// @ts-check
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { newLine } from "../state/line.js";
import { tellError } from "../state/toasts.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Icon } from "./Icon.js";

/** @import { Entry, Lorebook } from "../types.d.ts" */

const POSITIONS = /** @type {const} */ ([
  [0, "before"],
  [1, "after"],
  [2, "note_top"],
  [3, "note_bottom"],
  [4, "depth"],
]);

/** @param {{id: string}} props */
export function LorebookEntries({ id }) {
  const [book, setBook] = useState(/** @type {Lorebook | null} */ (null));
  const path = `/lorebooks/${encodeURIComponent(id)}`;
  const seen = useRef(0); // the revision that the next change is made to
  const inLine = useMemo(newLine, [id]);
  const show = (/** @type {Lorebook} */ now) => ((seen.current = now.revision), setBook(now));
  const read = () => api.get(path).then(show, tellError);
  /** @param {(revision: number) => Promise<Lorebook>} ask */
  const change = (ask) => inLine(() => ask(seen.current).then(show, (error) => (tellError(error), read())));
  useEffect(() => void read(), [id]);
  if (!book) return html`<p class="quiet">${t("web.loading")}</p>`;
  const add = () => change((revision) => api.post(`${path}/entries`, { revision, fields: {} }));
  const save = (/** @type {number} */ uid, /** @type {Partial<Entry>} */ fields) => change((revision) => api.patch(`${path}/entries/${uid}`, { revision, fields }));
  const cut = (/** @type {number} */ uid) => change((revision) => api.remove(`${path}/entries/${uid}?revision=${revision}`));
  return html`<p><a href="#/lore">${t("web.lore.back")}</a></p>
    <h1>${book.name}</h1>
    <button type="button" class="button" onClick=${add}><${Icon} name="plus" />${t("web.lore.add")}</button>
    <ul class="lore-entries">${(book.entries ?? []).map((entry) => html`<${Form} key=${entry.uid} entry=${entry} save=${save} cut=${cut} />`)}</ul>`;
}

/** @param {{entry: Entry, save: (uid: number, fields: Partial<Entry>) => void, cut: (uid: number) => void}} props */
function Form({ entry, save, cut }) {
  const { uid } = entry;
  const text = (/** @type {"comment" | "content"} */ name) => (/** @type {any} */ event) => event.target.value !== entry[name] && save(uid, { [name]: event.target.value });
  const keys = (/** @type {any} */ event) => save(uid, { key: event.target.value.split(",").map((/** @type {string} */ key) => key.trim()).filter(Boolean) });
  const number = (/** @type {"order" | "depth" | "position"} */ name) => (/** @type {any} */ event) => event.target.reportValidity() && save(uid, { [name]: Number(event.target.value) });
  const name = entry.comment || (entry.key ?? []).join(", ") || t("web.lore.unnamed");
  return html`<li class="lore-entry">
    <details>
      <summary class=${entry.disable ? "quiet" : ""}>${name}</summary>
      <label class="block"><span class="label">${t("web.lore.comment")}</span><input class="field" defaultValue=${entry.comment ?? ""} onChange=${text("comment")} /></label>
      <label class="block"><span class="label">${t("web.lore.keys")}</span><input class="field" defaultValue=${(entry.key ?? []).join(", ")} onChange=${keys} /><small class="quiet">${t("web.lore.keys_about")}</small></label>
      <label class="block"><span class="label">${t("web.lore.content")}</span><textarea class="field" rows="5" defaultValue=${entry.content ?? ""} onChange=${text("content")}></textarea></label>
      <div class="lore-fields">
        <label class="check"><input type="checkbox" checked=${entry.constant} onChange=${() => save(uid, { constant: !entry.constant })} /><span>${t("web.lore.constant")}</span></label>
        <label class="check"><input type="checkbox" checked=${!entry.disable} onChange=${() => save(uid, { disable: !entry.disable })} /><span>${t("web.lore.on")}</span></label>
        <label>${t("web.lore.order")}<input class="field" type="number" required value=${entry.order ?? 100} onChange=${number("order")} /></label>
        <label>${t("web.lore.position")}
          <select class="field" value=${String(entry.position ?? 0)} onChange=${number("position")}>
            ${POSITIONS.map(([value, place]) => html`<option key=${place} value=${String(value)}>${t(`web.lore.position_${place}`)}</option>`)}
          </select></label>
        ${entry.position === 4 && html`<label>${t("web.story.note_depth")}<input class="field" type="number" min="0" required value=${entry.depth ?? 4} onChange=${number("depth")} /></label>`}
        <button type="button" class="button button-quiet" onClick=${() => cut(uid)}><${Icon} name="trash" />${t("web.lore.cut")}</button>
      </div>
    </details>
  </li>`;
}
