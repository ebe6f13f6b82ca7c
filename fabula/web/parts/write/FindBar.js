// Finds a text in the chapter that is open, and in the novel's other chapters how often. Knows the open document.
// @ts-check
import { effect, signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { lookAt, text } from "../../state/manuscript.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { IconButton } from "../Icon.js";
import { finds, focusPaper } from "./Paper.js";

const MOST = 2000;

const wanted = signal(/** @type {string | null} */ (null));

export const openFind = () => (wanted.value ??= "");

/** @param {string} whole @param {string} part */
function placesOf(whole, part) {
  const marks = [];
  if (!part) return marks;
  const [lower, small] = [whole.toLowerCase(), part.toLowerCase()];
  for (let at = lower.indexOf(small); at >= 0 && marks.length < MOST; at = lower.indexOf(small, at + small.length)) marks.push({ start: at, end: at + small.length });
  return marks;
}

effect(() => {
  const marks = wanted.value ? placesOf(text.value, wanted.value) : [];
  const { at } = finds.peek();
  if (marks.length || finds.peek().marks.length) finds.value = { marks, at: Math.min(at, marks.length - 1) };
});

/** @param {number} step */
function go(step) {
  const { marks, at } = finds.value;
  if (!marks.length) return;
  const next = (at + step + marks.length) % marks.length;
  finds.value = { marks, at: next };
  lookAt(marks[next].start, marks[next].end);
}

export function FindBar() {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const isOpen = wanted.value !== null;
  useLayoutEffect(() => {
    if (isOpen) input.current?.select();
  }, [isOpen]);
  if (!isOpen) return null;
  const { marks, at } = finds.value;
  const close = () => ((wanted.value = null), focusPaper());
  const keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && !event.isComposing) go(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const type = (/** @type {any} */ event) => ((finds.value = { ...finds.value, at: -1 }), (wanted.value = event.target.value), go(1));
  return html`<div class="find-bar" role="search">
    <input ref=${input} type="search" class="field" aria-label=${t("web.write.find")} placeholder=${t("web.write.find")} value=${wanted.value} onInput=${type} onKeyDown=${keyDown} />
    <span class="quiet tabular" role="status">${wanted.value ? t("web.write.found", { at: at + 1, count: marks.length }) : ""}</span>
    <${IconButton} icon="left" label=${t("web.write.find_back")} disabled=${!marks.length} onClick=${() => go(-1)} />
    <${IconButton} icon="right" label=${t("web.write.find_on")} disabled=${!marks.length} onClick=${() => go(1)} />
    <${IconButton} icon="close" label=${t("web.close")} onClick=${close} />
  </div>`;
}
