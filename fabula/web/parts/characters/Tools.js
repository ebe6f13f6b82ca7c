// What of the library is shown, and what can be added to it. Knows no tile.
// @ts-check
import { useRef, useState } from "preact/hooks";
import { makeCharacter } from "../../state/card.js";
import { drawers, filter, shape, show } from "../../state/characters.js";
import { named, report, takeAll, takeFrom } from "../../state/taking.js";
import { t } from "../../texts.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { Icon, IconButton } from "../Icon.js";
import { Menu } from "../Menu.js";

const SORTS = /** @type {const} */ (["updated", "created", "name"]);
const MOST_TAGS = 300; // in the list of a browser

export function Tools() {
  const { words, favourite, trashed, sort } = filter.value;
  return html`<div class="gallery-tools">
    <label class="search"><${Icon} name="search" /><input
        type="search"
        class="field"
        placeholder=${t("web.characters.search")}
        aria-label=${t("web.characters.search")}
        value=${words}
        onInput=${(/** @type {any} */ event) => show({ words: event.target.value })}
    /></label>
    <${Add} />
    <div class="gallery-filters">
      <select class="field" aria-label=${t("web.characters.sort")} value=${sort} disabled=${Boolean(words)} onChange=${(/** @type {any} */ event) => show({ sort: event.target.value })}>
        ${SORTS.map((name) => html`<option key=${name} value=${name}>${t(`web.characters.sort_${name}`)}</option>`)}
      </select>
      <button type="button" class="button toggle" aria-pressed=${favourite} onClick=${() => show({ favourite: !favourite })}><${Icon} name="star" />${t("web.characters.favourites")}</button>
      <button type="button" class="button toggle" aria-pressed=${trashed} onClick=${() => show({ trashed: !trashed })}><${Icon} name="trash" />${t("web.characters.trash")}</button>
      <${Shape} />
      <${Folders} />
      <${Tags} />
    </div>
  </div>`;
}

/** @param {Event} event */
function picked(event) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  takeAll([...(input.files ?? [])].map(named));
  input.value = "";
}

function Add() {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const folder = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [asking, setAsking] = useState(false);
  const busy = report.value && report.value.done < report.value.total;
  const items = [
    { icon: "get", label: t("web.characters.import_files"), note: t("web.characters.import_about"), run: () => files.current?.click() },
    { icon: "folder", label: t("web.characters.import_folder"), run: () => folder.current?.click() },
    { icon: "get", label: t("web.characters.import_address"), run: () => setAsking(true) },
  ];
  return html`<div class="row">
    <${Menu} label=${t("web.characters.import")} items=${items} class="button"><${Icon} name="get" />${busy ? t("web.characters.importing", report.value ?? {}) : t("web.characters.import")}<//>
    <button type="button" class="button button-main" onClick=${makeCharacter}><${Icon} name="plus" />${t("web.characters.new")}</button>
    <input ref=${files} type="file" multiple hidden aria-label=${t("web.characters.import_files")} onChange=${picked} />
    <input ref=${folder} type="file" multiple webkitdirectory hidden aria-label=${t("web.characters.import_folder")} onChange=${picked} />
    ${asking && html`<${FromAddress} close=${() => setAsking(false)} />`}
  </div>`;
}

/** @param {{close: () => void}} props */
function FromAddress({ close }) {
  const take = (/** @type {any} */ event) => {
    event.preventDefault();
    takeFrom(event.target.elements.address.value.trim());
    close();
  };
  return html`<${Dialog} title=${t("web.characters.import_address")} close=${close}>
    <form class="block" onSubmit=${take}>
      <label class="block"><span class="label">${t("web.characters.address")}</span><input class="field" name="address" type="url" required maxlength="2000" placeholder="https://" /></label>
      <p class="quiet">${t("web.characters.address_about")}</p>
      <button type="submit" class="button button-main">${t("web.characters.import")}</button>
    </form>
  <//>`;
}

function Folders() {
  const { folders } = drawers.value;
  const { folder } = filter.value;
  const names = Object.keys(folders);
  if (!names.length && folder === null) return null;
  const value = folder === null ? "*" : `/${folder}`;
  return html`<select class="field" aria-label=${t("web.characters.folder")} value=${value} onChange=${(/** @type {any} */ event) => show({ folder: event.target.value === "*" ? null : event.target.value.slice(1) })}>
    <option value="*">${t("web.characters.all_folders")}</option>
    <option value="/">${t("web.characters.no_folder")}</option>
    ${names.map((name) => html`<option key=${name} value=${`/${name}`}>${name} (${folders[name]})</option>`)}
  </select>`;
}

/** Tags are typed, with what there is to choose from; those that are chosen are taken away by a click. */
function Tags() {
  const { tags: known } = drawers.value;
  const { tags } = filter.value;
  const add = (/** @type {any} */ event) => {
    const tag = event.target.value.trim();
    if (!(tag in known) || tags.includes(tag)) return;
    event.target.value = "";
    show({ tags: [...tags, tag] });
  };
  if (!Object.keys(known).length && !tags.length) return null;
  return html`<input class="field gallery-tag" list="known-tags" aria-label=${t("web.characters.tag")} placeholder=${t("web.characters.tag")} onInput=${add} onChange=${add} />
    <datalist id="known-tags">${Object.keys(known).slice(0, MOST_TAGS).map((tag) => html`<option key=${tag} value=${tag}></option>`)}</datalist>
    ${tags.map((tag) => html`<button key=${tag} type="button" class="chip" aria-label=${t("web.characters.untag", { tag })} onClick=${() => show({ tags: tags.filter((other) => other !== tag) })}>${tag}<${Icon} name="close" /></button>`)}`;
}

function Shape() {
  const other = shape.value === "grid" ? "list" : "grid";
  return html`<${IconButton} icon=${other} label=${t(`web.characters.as_${other}`)} onClick=${() => (shape.value = other)} />`;
}
