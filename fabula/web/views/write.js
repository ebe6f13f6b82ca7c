// The shelf of what is written: novels and notebooks, to be gone on with, begun, taken from a file, put away.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/Icon.js";
import { ComingDialog, later } from "../parts/later.js";
import { Menu } from "../parts/Menu.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import { when } from "../parts/words.js";
import { bringBack, destroy, download, failure, loadShelf, loadTrash, more, placeOf, putAway, searchFor, shelf, takeFiles, titleOf, totals, trash, watchShelf, words } from "../state/novels.js";
import { tellError } from "../state/toasts.js";
import { t } from "../texts.js";

/** @import { ListedNovel } from "../types.d.ts" */
/** @typedef {import("../state/novels.js").Kind} Kind */

const NewWork = later(() => import("../parts/write/NewWork.js"), "NewWork", undefined, ComingDialog);

export function Write() {
  const [beginning, begin] = useState(/** @type {Kind | ""} */ (""));
  useEffect(() => {
    loadShelf();
    loadTrash().catch(tellError);
    return watchShelf();
  }, []);
  const drop = (/** @type {DragEvent} */ event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) (event.preventDefault(), takeFiles(files));
  };
  return html`<main class="page shelf" id="main" onDragOver=${(/** @type {Event} */ event) => event.preventDefault()} onDrop=${drop}>
    <h1>${t("web.write.title")}</h1>
    <p class="lead">${t("web.write.about")}</p>
    <${Tools} begin=${begin} />
    ${failure.value && html`<${Trouble} error=${failure.value} retry=${loadShelf} />`}
    <${Works} room="novels" begin=${begin} />
    <${Works} room="notebooks" begin=${begin} />
    <${Trash} />
    ${beginning && html`<${NewWork} room=${beginning} close=${() => begin("")} />`}
  </main>`;
}

/** @param {{begin: (room: Kind) => void}} props */
function Tools({ begin }) {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const chosen = async (/** @type {any} */ event) => {
    await takeFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`<div class="shelf-tools">
    <button type="button" class="button button-main" onClick=${() => begin("novels")}><${Icon} name="plus" />${t("web.write.new_novel")}</button>
    <button type="button" class="button" onClick=${() => begin("notebooks")}><${Icon} name="plus" />${t("web.write.new_notebook")}</button>
    <button type="button" class="button" onClick=${() => files.current?.click()}><${Icon} name="get" />${t("web.write.import")}</button>
    <input ref=${files} type="file" multiple hidden accept=".txt,.md,.markdown,text/plain,text/markdown" onChange=${chosen} />
    <label class="search"><${Icon} name="search" /><input type="search" class="field" placeholder=${t("web.write.search")} aria-label=${t("web.write.search")} value=${words.value} onInput=${(/** @type {any} */ event) => searchFor(event.target.value)} /></label>
  </div>`;
}

/** @param {{room: Kind, begin: (room: Kind) => void}} props */
function Works({ room, begin }) {
  const list = shelf.value[room];
  const isNovel = room === "novels";
  return html`<section aria-label=${t(`web.write.${room}`)}>
    <h2>${t(`web.write.${room}`)}</h2>
    ${!list && !failure.value && html`<p class="quiet">${t("web.loading")}</p>`}
    ${list?.length === 0 && html`<div class="shelf-empty">
      <p class="quiet">${t(words.value ? "web.write.none_found" : `web.write.no_${room}`)}</p>
      ${!words.value && html`<button type="button" class="link-button" onClick=${() => begin(room)}>${t(isNovel ? "web.write.new_novel" : "web.write.new_notebook")}</button>`}
    </div>`}
    <ul class="rows">${list?.map((one) => html`<${Work} key=${one.id} room=${room} one=${one} />`)}</ul>
    ${list && totals.value[room] > list.length && html`<button type="button" class="button button-quiet" onClick=${() => more(room)}>${t("web.write.older")}</button>`}
  </section>`;
}

/** @param {{room: Kind, one: ListedNovel}} props */
function Work({ room, one }) {
  const size = room === "novels" ? t("web.write.size", { chapters: one.chapters, words: one.words }) : t("web.write.words", { words: one.words });
  const items = [
    { icon: "get", label: t("web.write.as_markdown"), run: () => download(room, one.id, "markdown") },
    { icon: "get", label: t("web.write.as_text"), run: () => download(room, one.id, "text") },
    { icon: "get", label: t("web.write.as_html"), run: () => download(room, one.id, "html") },
    { icon: "trash", label: t("web.write.to_trash"), run: () => putAway(room, one) },
  ];
  return html`<li class="shelf-row">
    <a href=${placeOf(room, one.id)}><span class="shelf-title">${titleOf(one)}</span><span class="quiet">${size}</span><time class="quiet">${when(one.updated_at)}</time></a>
    <${Menu} label=${t("web.write.menu", { title: titleOf(one) })} items=${items}><${Icon} name="more" /><//>
  </li>`;
}

function Trash() {
  if (!trash.value.length) return null;
  return html`<details class="shelf-trash">
    <summary>${t("web.write.trash", { count: trash.value.length })}</summary>
    <ul class="rows">
      ${trash.value.map(
        (one) => html`<li key=${one.id} class="shelf-row">
          <span class="shelf-title">${titleOf(one)}</span>
          <span class="row">
            <button type="button" class="button button-quiet" onClick=${() => bringBack(one.room, one)}>${t("web.write.bring_back")}</button>
            <${Destroy} one=${one} />
          </span>
        </li>`,
      )}
    </ul>
  </details>`;
}

/** There is no way back from it, so it asks. @param {{one: ListedNovel & {room: Kind}}} props */
function Destroy({ one }) {
  const [sure, setSure] = useState(false);
  if (!sure) return html`<button type="button" class="button button-quiet" onClick=${() => setSure(true)}>${t("web.write.destroy")}</button>`;
  return html`<button type="button" class="button bad" onClick=${() => destroy(one.room, one)} onBlur=${() => setSure(false)}>${t("web.write.destroy_sure")}</button>`;
}
