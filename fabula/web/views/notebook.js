// A notebook: raw text that a model goes on with, as it is or token by token with the chance of each.
// @ts-check
import { useLayoutEffect } from "preact/hooks";
import { Beside } from "../parts/write/Beside.js";
import { Desk } from "../parts/write/Desk.js";
import { besideOpen, onlyText } from "../parts/write/looks.js";
import { html } from "../parts/html.js";
import { close, open } from "../state/manuscript.js";

/** @param {{id: string}} props */
export function NotebookView({ id }) {
  useLayoutEffect(() => close, []);
  useLayoutEffect(() => void open("notebooks", id, ""), [id]);
  return html`<div class=${`work-view ${besideOpen.value && !onlyText.value ? "with-beside" : ""}`}>
    <${Desk} id=${id} title="" />
    ${!onlyText.value && html`<${Beside} id=${id} />`}
    ${besideOpen.value && html`<div class="beside-shade" onClick=${() => (besideOpen.value = "")}></div>`}
  </div>`;
}
