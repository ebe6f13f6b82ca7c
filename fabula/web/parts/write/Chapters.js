// The chapters at the left: gone to, named, moved, added, split, taken away. Knows the open novel.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../../api.js";
import { back, base, change, chapter, changed, doc, path, points, takeDoc, text } from "../../state/manuscript.js";
import { busy } from "../../state/passages.js";
import { goFromHere } from "../../state/route.js";
import { tell, tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Icon, IconButton, Press } from "../Icon.js";
import { Menu } from "../Menu.js";
import { drawerOpen } from "./looks.js";
import { selection } from "./Paper.js";

/** @import { Chapter } from "../../types.d.ts" */

/** @param {string} id */
const hrefOf = (id) => `#/novel/${encodeURIComponent(doc.value?.id ?? "")}/${encodeURIComponent(id)}`;
/** @param {Chapter} one @param {number} index */
export const nameOf = (one, index) => one.title || t("web.write.chapter", { number: index + 1 });
const closeDrawer = () => (drawerOpen.value = false);

/** @param {{id: string}} props */
export function Chapters({ id }) {
  const now = doc.value;
  if (now?.id !== id) return html`<nav class="chapters" aria-label=${t("web.write.chapters")}></nav>`;
  return html`<nav class="chapters" aria-label=${t("web.write.chapters")}>
    <div class="chapters-head"><h2>${t("web.write.chapters")}</h2><${IconButton} icon="close" class="only-narrow" label=${t("web.close")} onClick=${closeDrawer} /></div>
    <ol class="chapters-rows">${now.chapters.map((one, index) => html`<${Row} key=${one.id} one=${one} index=${index} />`)}</ol>
    <${Press} class="button button-quiet" onClick=${() => add()}><${Icon} name="plus" />${t("web.write.add_chapter")}<//>
  </nav>`;
}

/** @param {{one: Chapter, index: number}} props */
function Row({ one, index }) {
  const [renaming, setRenaming] = useState(false);
  const isOpen = one.id === base.value?.id;
  if (renaming) return html`<li><${Rename} one=${one} index=${index} done=${() => setRenaming(false)} /></li>`;
  return html`<li class="chapters-row">
    <a href=${hrefOf(one.id)} aria-current=${isOpen ? "page" : undefined} onClick=${closeDrawer}>
      <span class="chapters-title">${nameOf(one, index)}</span><span class="quiet tabular">${t("web.write.words", { words: one.words })}</span>
    </a>
    <${Menu} label=${t("web.write.chapter_menu", { title: nameOf(one, index) })} items=${menuOf(one, index, isOpen, () => setRenaming(true))}><${Icon} name="more" /><//>
  </li>`;
}

/** @param {Chapter} one @param {number} index @param {boolean} isOpen @param {() => void} rename */
function menuOf(one, index, isOpen, rename) {
  const last = (doc.value?.chapters.length ?? 1) - 1;
  return [
    { icon: "edit", label: t("web.write.rename"), run: rename },
    { label: t("web.write.move_up"), disabled: index === 0, run: () => alter(one, { at: index - 1 }) },
    { label: t("web.write.move_down"), disabled: index === last, run: () => alter(one, { at: index + 1 }) },
    { icon: "plus", label: t("web.write.add_behind"), run: () => add(index + 1) },
    { icon: "branch", label: t("web.write.split"), note: t("web.write.split_note"), disabled: !isOpen || busy.value, run: split },
    { icon: "trash", label: t("web.write.remove_chapter"), disabled: last === 0 || busy.value, run: () => remove(one, index) },
  ];
}

/** Once, when it appears: a function of its own for each drawing would be called at each. @param {HTMLInputElement | null} input */
const selectAll = (input) => input?.select();

/** @param {{one: Chapter, index: number, done: () => void}} props */
function Rename({ one, index, done }) {
  const save = (/** @type {any} */ event) => {
    const title = event.target.value.trim();
    if (title !== one.title) alter(one, { title });
    done();
  };
  return html`<input
    class="field"
    aria-label=${t("web.write.chapter_title")}
    defaultValue=${one.title}
    placeholder=${nameOf(one, index)}
    ref=${selectAll}
    onBlur=${save}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.isComposing) save(event);
      if (event.key === "Escape") done();
    }}
  />`;
}

// ── what is done ────────────────────────────────────────────────────────────────────────────────────

/** @param {number} [at] */
export async function add(at) {
  const goThere = goFromHere();
  const made = await change((revision) => api.post(`${path()}/chapters`, { revision, ...(at === undefined ? {} : { at }) }));
  if (!made) return;
  takeDoc(made);
  closeDrawer();
  goThere(hrefOf(made.chapters[at ?? made.chapters.length - 1].id));
}

/** Title, outline, notes, summary or place. @param {Chapter} one @param {Record<string, any>} values */
export async function alter(one, values) {
  const of = (/** @type {any} */ now) => Object.keys(values).map((name) => now.chapters.find((/** @type {Chapter} */ each) => each.id === one.id)?.[name]);
  const now = await change((revision) => api.patch(`${path()}/chapters/${one.id}`, { revision, ...values }), of);
  if (now) takeDoc(now);
  return now !== null;
}

/** The way back to offer: in the document that is open now, whatever is open by then. */
function undoHere() {
  const here = path();
  return () => (here === path() ? back("undo") : api.get(here).then(({ revision }) => api.post(`${here}/undo`, { revision })).catch(tellError));
}

/** @param {Chapter} one @param {number} index */
async function remove(one, index) {
  const [goThere, run] = [goFromHere(), undoHere()];
  const now = await change((revision) => api.post(`${path()}/chapters/${one.id}/remove`, { revision }));
  if (!now) return;
  takeDoc(now);
  if (base.value?.id === one.id) goThere(hrefOf(now.chapters[Math.max(0, index - 1)].id));
  tell(t("web.write.removed", { title: nameOf(one, index) }), { action: { label: t("web.undo"), run } });
}

/** What stands behind the caret becomes a chapter of its own. */
async function split() {
  const goThere = goFromHere();
  const one = chapter.value;
  const place = selection.value.end;
  const behind = text.value.slice(place).replace(/^\s+/, "");
  if (!one || !behind) return;
  const at = (doc.value?.chapters.findIndex(({ id }) => id === one.id) ?? 0) + 1;
  const made = await change((revision) => api.post(`${path()}/chapters`, { revision, at, text: behind }));
  if (!made) return;
  takeDoc(made);
  const cut = { start: points(text.value.slice(0, place).trimEnd().length), end: points(text.value.length), text: "" };
  const answer = await change((revision) => api.put(`${path()}/chapters/${one.id}/text`, { revision, ...cut }));
  if (answer) await changed(answer);
  goThere(hrefOf(made.chapters[at].id));
}
