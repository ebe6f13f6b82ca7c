// A modal dialog: the browser's own, so that focus and Escape behave; the focus goes back to where it was. Knows no
// content.
// @ts-check
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";
import { giveAhead } from "./later.js";

/** @param {{title: string, close: () => void, children?: any, class?: string, bare?: boolean}} props bare: without a head */
export function Dialog({ title, close, children, class: name = "", bare = false }) {
  const dialog = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => {
    const own = dialog.current;
    own.showModal();
    giveAhead(document.activeElement);
    // Taken off the page while it is open, it would keep the focus to itself.
    return () => ((dialog.current = null), own.close());
  }, []);
  const outside = (/** @type {Event} */ event) => event.target === dialog.current && close();
  const closed = () => dialog.current && close();
  return html`<dialog ref=${dialog} class=${`dialog ${name}`} aria-label=${title} onClose=${closed} onClick=${outside}>
    ${!bare && html`<div class="dialog-head"><h2>${title}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>`}
    <div class="dialog-body">${children}</div>
  </dialog>`;
}
