// Parts whose code and style sheets come when they are first shown. Knows no part.
// @ts-check
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { keepAhead, takeAhead } from "../state/actions.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Trouble } from "./Trouble.js";

/** @type {Map<string, Promise<unknown>>} */
const sheets = new Map();

/** A style sheet of style/, once; done when it holds, or cannot be had (the studio has gone). @param {string} name */
export function loadStyle(name) {
  if (!sheets.has(name)) sheets.set(name, fetchSheet(name));
  return /** @type {Promise<unknown>} */ (sheets.get(name));
}

/** @param {string} name */
function fetchSheet(name) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`../style/${name}`, import.meta.url).href;
  document.head.insertBefore(link, document.querySelector("link[data-look]")); // the person's own look comes last
  return new Promise((done) => {
    link.onload = done;
    link.onerror = () => (sheets.delete(name), link.remove(), done(null));
  });
}

/** @param {string | string[]} [names] */
const loadStyles = (names = []) => Promise.all([names].flat().map(loadStyle));

/**
 * A component that stands for one whose code comes when it is first shown.
 * @param {() => Promise<any>} load the module; without a `name`, what it answers is the component
 * @param {string} [name] under which the module exports it
 * @param {string | string[]} [style] sheets of style/ that come with it
 * @param {any} [Placeholder] shown until then; nothing moves when it is as large as what comes
 */
export function later(load, name = "", style, Placeholder = Coming) {
  const part = signal(/** @type {any} */ (null));
  const fetchIt = async () => {
    const [found] = await Promise.all([load(), loadStyles(style)]);
    const is = name ? found[name] : found;
    part.value = { is };
    await is.ready;
  };
  /** @type {Promise<void> | null} */
  let asked = null;
  /** Before it is shown, where it is known that it will be. Done when it can be, and what it says first (its `ready`) is here. */
  Later.bring = () => (asked ??= fetchIt().catch(() => void (part.value = { is: () => html`<${Placeholder}><${Missing} /><//>` })));
  return Later;
  function Later(/** @type {any} */ props) {
    if (part.value) return html`<${part.value.is} ...${props} />`;
    Later.bring();
    return html`<${Placeholder} ...${props} />`;
  }
}

/** @param {{children?: any}} props what went wrong, if it did */
export const Coming = ({ children }) => children ?? html`<p class="quiet">${t("web.loading")}</p>`;

/** Keeps what is typed for what is on its way, as long as it is drawn. @param {{name: string, over?: boolean}} props */
export function Ahead({ name, over }) {
  useLayoutEffect(() => {
    const end = keepAhead(name, over);
    return () => (end(), over && queueMicrotask(() => takeAhead(name))); // what is drawn in its place has taken it by then
  }, [name]);
  return null;
}

const DIALOG = "dialog";

/** Where a dialog that has a field will be: somebody has asked for it and types what it is to say. @param {{children?: any}} props */
export const ComingDialog = ({ children }) => (children ? null : html`<${Ahead} name=${DIALOG} over />`);

/** As if it were typed now. @param {Element | null} field of a dialog that was waited for */
export function giveAhead(field) {
  const text = takeAhead(DIALOG);
  if (!text || !(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) return;
  field.setRangeText(text, field.selectionStart ?? 0, field.selectionEnd ?? 0, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/** Browsers remember that a module could not be had: only the page, read again, asks again. */
const Missing = () => html`<${Trouble} error=${{ message: t("web.error.part") }} retry=${() => location.reload()} />`;
