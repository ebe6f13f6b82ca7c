// Folder and tags of one chat, or of many at once. Knows the list, not the open chat.
// @ts-check
import { useEffect } from "preact/hooks";
import { drawers, loadDrawers, mark } from "../../state/keeping.js";
import { t } from "../../texts.js";
import { marking } from "../ChatList.js";
import { Dialog } from "../Dialog.js";
import { html } from "../html.js";
import { usePress } from "../Icon.js";

/** @import { Marks } from "../../state/keeping.js" */

const close = () => (marking.value = null);

/** @param {string} text */
const tagsOf = (text) => text.split(/[,，、]/).map((tag) => tag.trim()).filter(Boolean);

export function Marking() {
  useEffect(() => void loadDrawers(), []);
  const now = marking.value;
  const [saves, save] = usePress(async (/** @type {any} */ event) => {
    event.preventDefault();
    if (!now) return;
    const typed = (/** @type {string} */ name) => event.target.elements.namedItem(name)?.value ?? "";
    const { ids, chat } = now;
    const marks = chat ? changesOf(chat, typed("folder"), tagsOf(typed("tags"))) : forMany(typed("folder"), tagsOf(typed("tags")), tagsOf(typed("untag")));
    if ((await mark(ids, marks)) && marking.value === now) close();
  });
  if (!now) return null;
  const { ids, chat } = now;
  return html`<${Dialog} title=${chat ? t("web.keep.mark") : t("web.keep.mark_many", { count: ids.length })} close=${close}>
    <form class="block marking" onSubmit=${save}>
      <label class="block"><span class="label">${t("web.keep.folder")}</span>
        <input class="field" name="folder" list="folders" maxlength="1000" defaultValue=${chat?.folder ?? ""} placeholder=${t(chat ? "web.keep.no_folder" : "web.keep.as_it_is")} /></label>
      <datalist id="folders">${Object.keys(drawers.value.folders).filter(Boolean).map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
      <label class="block"><span class="label">${t(chat ? "web.keep.tags" : "web.keep.add_tags")}</span>
        <input class="field" name="tags" list="tags" defaultValue=${chat?.tags.join(", ") ?? ""} placeholder=${t("web.keep.tags_placeholder")} /></label>
      <datalist id="tags">${Object.keys(drawers.value.tags).map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
      ${!chat && html`<label class="block"><span class="label">${t("web.keep.remove_tags")}</span><input class="field" name="untag" list="tags" /></label>`}
      <div class="row"><button type="submit" class="button button-main" aria-busy=${saves || undefined}>${t("web.save")}</button></div>
    </form>
  <//>`;
}

/** @param {import("../../types.d.ts").ListedChat} chat @param {string} folder @param {string[]} tags @returns {Marks} */
const changesOf = (chat, folder, tags) => ({
  folder: folder.trim(),
  add_tags: tags.filter((tag) => !chat.tags.includes(tag)),
  remove_tags: chat.tags.filter((tag) => !tags.includes(tag)),
});

/** A field that is left empty leaves the chats as they are. @param {string} folder @param {string[]} add @param {string[]} remove @returns {Marks} */
const forMany = (folder, add, remove) => ({ ...(folder.trim() && { folder: folder.trim() }), add_tags: add, remove_tags: remove });
