// What is done with the characters that are chosen. Knows no tile.
// @ts-check
import { useState } from "preact/hooks";
import { chooseAll, chooseNone, chosen, drawers, erase, exportMany, filter, grouping, markMany, total, trash } from "../../state/characters.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Dialog } from "../Dialog.js";
import { Icon } from "../Icon.js";
import { Menu } from "../Menu.js";

const FORMATS = /** @type {const} */ (["png", "json", "charx"]);
const IN_A_GROUP = 100;

export function Chosen() {
  const [asking, setAsking] = useState(/** @type {"" | "folder" | "tag" | "untag" | "erase"} */ (""));
  const ids = chosen.value;
  const count = ids.size;
  const { trashed } = filter.value;
  const marked = (/** @type {boolean} */ favourite) => markMany(ids, { favourite }, (many) => t("web.characters.marked", { count: many }));
  const more = [
    { icon: "star", label: t("web.characters.mark_favourite"), run: () => marked(true) },
    { icon: "none", label: t("web.characters.unmark_favourite"), run: () => marked(false) },
    { icon: "close", label: t("web.characters.take_tag"), run: () => setAsking("untag") },
    ...FORMATS.map((format) => ({ icon: "away", label: t("web.characters.export_as", { format: format.toUpperCase() }), run: () => exportMany([...ids], format) })),
  ];
  return html`<div class="chosen" role="toolbar" aria-label=${t("web.characters.chosen", { count })}>
    <strong role="status">${t("web.characters.chosen", { count })}</strong>
    ${count < (total.value ?? 0) && html`<button type="button" class="link-button" onClick=${chooseAll}>${t("web.characters.choose_all", { count: total.value })}</button>`}
    <button type="button" class="link-button" onClick=${chooseNone}>${t("web.characters.choose_none")}</button>
    <span class="row chosen-acts">
      ${trashed && html`<button type="button" class="button" onClick=${() => trash(ids, false)}><${Icon} name="undo" />${t("web.characters.restore")}</button>
        <button type="button" class="button" onClick=${() => setAsking("erase")}><${Icon} name="trash" />${t("web.characters.erase")}</button>`}
      ${!trashed && html`<button type="button" class="button" onClick=${() => setAsking("folder")}><${Icon} name="folder" />${t("web.characters.move")}</button>
        <button type="button" class="button" onClick=${() => setAsking("tag")}><${Icon} name="tag" />${t("web.characters.give_tag")}</button>
        ${count > 1 && count <= IN_A_GROUP && html`<button type="button" class="button" onClick=${() => (grouping.value = [...ids])}><${Icon} name="chats" />${t("web.characters.group")}</button>`}
        <button type="button" class="button" onClick=${() => trash(ids, true)}><${Icon} name="trash" />${t("web.characters.delete")}</button>
        <${Menu} label=${t("web.more")} items=${more}><${Icon} name="more" /><//>`}
    </span>
    ${asking && html`<${Ask} what=${asking} ids=${ids} close=${() => setAsking("")} />`}
  </div>`;
}

/** @param {{what: "folder" | "tag" | "untag" | "erase", ids: Set<string>, close: () => void}} props */
function Ask({ what, ids, close }) {
  const [text, setText] = useState("");
  const known = Object.keys(what === "folder" ? drawers.value.folders : drawers.value.tags);
  const run = (/** @type {Event} */ event) => {
    event.preventDefault();
    close();
    const name = text.trim();
    if (what === "erase") erase([...ids]);
    else if (what === "folder") markMany(ids, { folder: name }, (count) => t("web.characters.moved", { count, folder: name || t("web.characters.no_folder") }));
    else if (name) markMany(ids, what === "tag" ? { add_tags: [name] } : { remove_tags: [name] }, (count) => t("web.characters.marked", { count }));
  };
  const count = ids.size;
  return html`<${Dialog} title=${t(`web.characters.ask_${what}`, { count })} close=${close}>
    <form class="block" onSubmit=${run}>
      ${what === "erase" ? html`<p>${t("web.characters.erase_about")}</p>` : html`<input class="field" list="asked-names" maxlength="200" aria-label=${t(`web.characters.ask_${what}`, { count })} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
        <datalist id="asked-names">${known.slice(0, 300).map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>`}
      <div class="row"><button type="submit" class="button button-main">${t(what === "erase" ? "web.characters.erase" : "web.save")}</button><button type="button" class="button" onClick=${close}>${t("web.cancel")}</button></div>
    </form>
  <//>`;
}
