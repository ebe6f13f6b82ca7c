// A novel: its chapters at the left, one page in the middle, at the right what it is told with.
// @ts-check
import { useLayoutEffect } from "preact/hooks";
import { Beside } from "../parts/write/Beside.js";
import { Chapters, nameOf } from "../parts/write/Chapters.js";
import { Desk } from "../parts/write/Desk.js";
import { besideOpen, chaptersOpen, drawerOpen, onlyText } from "../parts/write/looks.js";
import { html } from "../parts/html.js";
import { base, close, doc, open } from "../state/manuscript.js";

/** @param {{id: string, rest: string}} props */
export function NovelView({ id, rest }) {
  useLayoutEffect(() => close, []);
  useLayoutEffect(() => void open("novels", id, rest), [id, rest]);
  const shape = [
    "work-view",
    chaptersOpen.value === "yes" && !onlyText.value ? "with-chapters" : "",
    drawerOpen.value ? "with-drawer" : "",
    besideOpen.value && !onlyText.value ? "with-beside" : "",
  ];
  const index = doc.value?.chapters.findIndex((one) => one.id === base.value?.id) ?? -1;
  return html`<div class=${shape.join(" ")}>
    <${Chapters} id=${id} />
    <div class="work-shade" onClick=${() => (drawerOpen.value = false)}></div>
    <${Desk} id=${id} title=${index >= 0 && doc.value ? nameOf(doc.value.chapters[index], index) : ""} />
    ${!onlyText.value && html`<${Beside} id=${id} />`}
    ${besideOpen.value && html`<div class="beside-shade" onClick=${() => (besideOpen.value = "")}></div>`}
  </div>`;
}
