// Which chats are listed: by folder, tag, character, days, favourites, trash. Knows the list, not the open chat.
// @ts-check
import { useEffect } from "preact/hooks";
import { drawers, filter, isFiltered, loadDrawers, NO_FILTER } from "../../state/keeping.js";
import { everyone, loadEveryone } from "../../state/story.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

/** @import { Filter } from "../../state/keeping.js" */

/** @param {Partial<Filter>} values */
const set = (values) => (filter.value = { ...filter.value, ...values });

export function Filters() {
  useEffect(() => {
    loadDrawers();
    if (!everyone.value.length) loadEveryone();
  }, []);
  const { folder, tag, character, since, until, favourite, trashed } = filter.value;
  return html`<div class="filters" role="group" aria-label=${t("web.keep.filters")}>
    <label><span>${t("web.keep.folder")}</span>
      <select class="field" value=${folder === null ? "*" : `/${folder}`} onChange=${(/** @type {any} */ event) => set({ folder: event.target.value === "*" ? null : event.target.value.slice(1) })}>
        <option value="*">${t("web.keep.any")}</option><option value="/">${t("web.keep.no_folder")}</option>
        ${Object.entries(drawers.value.folders).map(([name, count]) => name && html`<option key=${name} value=${`/${name}`}>${t("web.keep.counted", { name, count })}</option>`)}
      </select></label>
    <label><span>${t("web.keep.tag")}</span>
      <select class="field" value=${tag} onChange=${(/** @type {any} */ event) => set({ tag: event.target.value })}>
        <option value="">${t("web.keep.any")}</option>
        ${Object.entries(drawers.value.tags).map(([name, count]) => html`<option key=${name} value=${name}>${t("web.keep.counted", { name, count })}</option>`)}
      </select></label>
    <label><span>${t("web.keep.character")}</span>
      <select class="field" value=${character} onChange=${(/** @type {any} */ event) => set({ character: event.target.value })}>
        <option value="">${t("web.keep.any")}</option>
        ${everyone.value.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}
      </select></label>
    <label class="filters-day"><span>${t("web.keep.since")}</span><input class="field" type="date" value=${since} onChange=${(/** @type {any} */ event) => set({ since: event.target.value })} /></label>
    <label class="filters-day"><span>${t("web.keep.until")}</span><input class="field" type="date" value=${until} onChange=${(/** @type {any} */ event) => set({ until: event.target.value })} /></label>
    <label class="check"><input type="checkbox" checked=${favourite} onChange=${(/** @type {any} */ event) => set({ favourite: event.target.checked })} /><span>${t("web.keep.favourites")}</span></label>
    <label class="check"><input type="checkbox" checked=${trashed} onChange=${(/** @type {any} */ event) => set({ trashed: event.target.checked })} /><span>${t("web.keep.trash")}</span></label>
    ${isFiltered.value && html`<button type="button" class="link-button" onClick=${() => (filter.value = NO_FILTER)}>${t("web.keep.no_filter")}</button>`}
  </div>`;
}
