// The gallery of characters: tools, what is chosen, the pictures; files are taken wherever they are dropped on it.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { chosen, failure, grouping, isFiltered, loadCharacters, loadDrawers, showAll, total } from "../../state/characters.js";
import { filesOf, report, takeAll } from "../../state/taking.js";
import { models, usable } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { later } from "../later.js";
import { Trouble } from "../Trouble.js";
import { Chosen } from "./Chosen.js";
import { Rooms } from "./Rooms.js";
import { Tiles } from "./Tiles.js";
import { Tools } from "./Tools.js";

const Report = later(() => import("./Report.js"), "Report", undefined, () => null);
const Group = later(() => import("./Group.js"), "Group", undefined, () => null);

export function Gallery() {
  const [over, setOver] = useState(false);
  useEffect(() => void (loadCharacters(), loadDrawers()), []);
  const drag = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    setOver(true);
  };
  const drop = async (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer) return;
    event.preventDefault();
    setOver(false);
    takeAll(await filesOf(event.dataTransfer));
  };
  const left = (/** @type {DragEvent} */ event) => event.relatedTarget || setOver(false);
  return html`<main class=${`page gallery ${over ? "is-over" : ""}`} id="main" onDragOver=${drag} onDragLeave=${left} onDrop=${drop}>
    <${Rooms} here="characters" />
    <${Tools} />
    ${report.value && html`<${Report} report=${report.value} />`}
    ${chosen.value.size > 0 && html`<${Chosen} />`}
    ${models.value && !usable.value.length && html`<p class="statement">${t("web.characters.no_model")}</p>`}
    <${Body} />
    ${over && html`<div class="drop-note" aria-hidden="true">${t("web.characters.drop")}</div>`}
    ${grouping.value && html`<${Group} ids=${grouping.value} close=${() => (grouping.value = null)} />`}
  </main>`;
}

function Body() {
  if (failure.value && total.value === null) return html`<${Trouble} error=${failure.value} retry=${loadCharacters} />`;
  if (total.value === null) return html`<p class="quiet">${t("web.loading")}</p>`;
  if (total.value === 0) return html`<${Nothing} />`;
  return html`<p class="quiet gallery-count" role="status">${t(isFiltered.value ? "web.characters.count_found" : "web.characters.count", { count: total.value })}</p><${Tiles} count=${total.value} />`;
}

function Nothing() {
  if (!isFiltered.value) return html`<div class="gallery-empty"><p>${t("web.characters.none")}</p><p class="quiet">${t("web.characters.none_how")}</p></div>`;
  return html`<div class="gallery-empty"><p>${t("web.characters.none_found")}</p><button type="button" class="button" onClick=${showAll}>${t("web.characters.show_all")}</button></div>`;
}
