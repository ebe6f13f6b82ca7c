// Lorebooks and personas: all of them, or the book that the address names. Knows no file format and no entry.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { Rooms } from "../parts/characters/Rooms.js";
import { Icon, usePress } from "../parts/Icon.js";
import { Tick } from "../parts/Kept.js";
import { later } from "../parts/later.js";
import { Menu } from "../parts/Menu.js";
import { Personas } from "../parts/Personas.js";
import { html } from "../parts/html.js";
import { listenFor } from "../state/events.js";
import { newLine } from "../state/line.js";
import { goFromHere } from "../state/route.js";
import { loadLorebooks, lorebooks } from "../state/story.js";
import { filesOf } from "../state/taking.js";
import { tell, tellError } from "../state/toasts.js";
import { t } from "../texts.js";

/** @import { Lorebook } from "../types.d.ts" */

const Book = later(() => import("../parts/LorebookEntries.js"), "LorebookEntries");

/** @param {{id: string}} props */
export function Lore({ id }) {
  return id ? html`<${Book} key=${id} id=${id} />` : html`<${Shelf} />`;
}

function Shelf() {
  const [asked, setAsked] = useState(lorebooks.value !== null);
  useEffect(() => {
    loadLorebooks().then(() => setAsked(true));
    return listenFor("open", () => lorebooks.value || loadLorebooks()); // the studio was away when it was asked
  }, []);
  const over = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") && event.preventDefault();
  const drop = async (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer) return;
    event.preventDefault();
    for (const { file } of await filesOf(event.dataTransfer)) await take(file);
  };
  return html`<main class="page" id="main" onDragOver=${over} onDrop=${drop}>
    <${Rooms} here="lore" />
    <p class="lead">${t("web.lore.about")}</p>
    <section aria-labelledby="books-title">
      <h2 id="books-title">${t("web.lore.books")}</h2>
      <${Tools} />
      <${List} />
    </section>
    ${asked && html`<${Personas} />`}
  </main>`;
}

function Tools() {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [name, setName] = useState("");
  const chosen = async (/** @type {any} */ event) => {
    for (const file of [...event.target.files]) await take(file);
    event.target.value = "";
  };
  const [makes, make] = usePress(async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!name.trim()) return;
    const goThere = goFromHere();
    await api.post("/lorebooks", { name }).then(({ id }) => goThere(`#/lore/${encodeURIComponent(id)}`), tellError);
  });
  return html`<form class="lore-tools" onSubmit=${make}>
    <button type="button" class="button" onClick=${() => files.current?.click()}><${Icon} name="get" />${t("web.lore.import")}</button>
    <input ref=${files} type="file" multiple hidden accept=".json,.lorebook,.png,.charx" onChange=${chosen} />
    <input class="field" maxlength="200" aria-label=${t("web.lore.name")} placeholder=${t("web.lore.name")} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
    <button type="submit" class="button" aria-busy=${makes || undefined} disabled=${!name.trim()}><${Icon} name="plus" />${t("web.lore.make")}</button>
  </form>`;
}

/** @param {File} file */
async function take(file) {
  try {
    const book = await api.upload(`/lorebooks/import?name=${encodeURIComponent(file.name)}`, file);
    tell(t("web.lore.imported", { name: book.name, count: book.size }));
  } catch (error) {
    tellError(error);
  }
  await loadLorebooks();
}

function List() {
  const list = lorebooks.value;
  if (!list) return html`<p class="quiet">${t("web.loading")}</p>`;
  if (!list.length) return html`<p class="quiet">${t("web.lore.none")}</p>`;
  return html`<ul class="lore-rows">${list.map((book) => html`<${Row} key=${book.id} book=${book} />`)}</ul>`;
}

const inLine = newLine();

/** @param {{book: Lorebook}} props */
function Row({ book }) {
  const { id, name, size, links } = book;
  const path = `/lorebooks/${encodeURIComponent(id)}`;
  const link = (/** @type {boolean} */ everywhere) => inLine(() => {
    const now = lorebooks.value?.find((one) => one.id === id) ?? book; // as it is when it is this change's turn
    return api.patch(path, { revision: now.revision, links: { ...now.links, everywhere } }).catch(tellError).then(loadLorebooks);
  });
  const items = [
    { icon: "away", label: t("web.lore.export_world"), run: () => save(book, "world") },
    { icon: "away", label: t("web.lore.export_v3"), run: () => save(book, "v3") },
    { icon: "trash", label: t("web.lore.delete"), run: () => removeBook(book) },
  ];
  const where = [links.characters.length && t("web.lore.of_characters", { count: links.characters.length }), links.personas.length && t("web.lore.of_personas", { count: links.personas.length })];
  return html`<li class="lore-row">
    <a href=${`#/lore/${encodeURIComponent(id)}`}>${name}</a>
    <span class="quiet">${[t("web.lore.count", { count: size }), ...where].filter(Boolean).join(" · ")}</span>
    <label class="check"><${Tick} value=${links.everywhere} save=${link} /><span>${t("web.lore.everywhere")}</span></label>
    <${Menu} label=${t("web.lore.menu", { name })} items=${items}><${Icon} name="more" /><//>
  </li>`;
}

/** @param {Lorebook} book @param {"world" | "v3"} format */
async function save(book, format) {
  const content = await api.get(`/lorebooks/${encodeURIComponent(book.id)}/file?format=${format}`).catch(tellError);
  if (content) api.saveAs(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }), `${book.name}.json`);
}

/** It can be put back: chats that name it have it again then. @param {Lorebook} book */
async function removeBook({ id, name, links }) {
  const path = `/lorebooks/${encodeURIComponent(id)}`;
  try {
    const document = await api.get(`${path}/file`);
    await api.remove(path);
    const run = () => api.put(path, { name, links, document }).catch(tellError).then(loadLorebooks);
    tell(t("web.lore.deleted", { name }), { action: { label: t("web.undo"), run } });
  } catch (error) {
    tellError(error);
  }
  await loadLorebooks();
}
