// A modal dialog: the browser's own, so that focus and Escape behave. Knows no content.
// @ts-check
import { useEffect, useRef } from "preact/hooks";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";

/** @param {{title: string, close: () => void, children?: any}} props */
export function Dialog({ title, close, children }) {
  const dialog = useRef(/** @type {any} */ (null));
  useEffect(() => dialog.current.showModal(), []);
  const outside = (/** @type {Event} */ event) => event.target === dialog.current && close();
  return html`<dialog ref=${dialog} class="dialog" aria-label=${title} onClose=${close} onClick=${outside}>
    <div class="dialog-head"><h2>${title}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>
    <div class="dialog-body">${children}</div>
  </dialog>`;
}
