// The page: one chapter in one text field, and behind it, to the same measure, the marks: what a model wrote, what was
// found, what is selected. Typing touches the field alone; the marks follow after the paint. Knows no studio.
// @ts-check
import { effect, signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { difference } from "../../state/difference.js";
import { base, doc, state, typed, wish } from "../../state/manuscript.js";
import { busy, growing, modelMarks, shown } from "../../state/passages.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { marksShown } from "./looks.js";

/** @import { Mark } from "../../state/difference.js" */

/** Places of the page. The caret is a selection of nothing. */
export const selection = signal({ start: 0, end: 0 });
/** Whether the person is elsewhere and wants to see what is selected, or where it goes on. */
export const away = signal(false);
export const finds = signal(/** @type {{marks: Mark[], at: number}} */ ({ marks: [], at: -1 }));

const LONG = 60_000; // characters: from here on the marks follow when somebody pauses
const UNSPELLED = 200_000; // characters, from where browsers take long to look up the words
const PAUSE_MS = 300;
const NEAR_PX = 140; // so near to the end of what is being written, the reader wants to follow it

/** @param {{onKey: (event: KeyboardEvent) => void}} props */
export function Paper({ onKey }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const back = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => joined(/** @type {any} */ (area.current), /** @type {any} */ (back.current)), []);
  const select = () => {
    if (!area.current) return; // browsers tell of a selection when its page may be gone
    const { selectionStart: start, selectionEnd: end } = area.current;
    if (start !== selection.value.start || end !== selection.value.end) selection.value = { start, end };
  };
  const input = (/** @type {any} */ event) => (typed(event.target.value), select());
  return html`<div class="paper-frame">
    <div class="paper paper-back" ref=${back} aria-hidden="true"></div>
    <textarea
      ref=${area}
      id="paper"
      class="paper paper-text"
      aria-label=${t("web.write.text")}
      placeholder=${t(doc.value?.kind === "notebook" ? "web.write.empty_notebook" : "web.write.empty")}
      readonly=${busy.value || state.value === "conflict"}
      spellcheck=${spelled()}
      autocapitalize="sentences"
      onInput=${input}
      onSelect=${select}
      onKeyUp=${select}
      onPointerUp=${select}
      onKeyDown=${onKey}
      onFocus=${() => (away.value = false)}
      onBlur=${() => (select(), (away.value = true))}
    ></textarea>
  </div>`;
}

/** Browsers look up every word of a field: of a long one that is felt. */
const spelled = () => (base.value?.text.length ?? 0) < UNSPELLED;

/** The field, and what lies behind it, show what is to be shown. @param {HTMLTextAreaElement} area @param {HTMLElement} back */
function joined(area, back) {
  const follow = () => (back.style.transform = `translateY(${-area.scrollTop}px)`);
  area.addEventListener("scroll", follow, { passive: true });
  let timer = 0;
  const paint = (measured = true) => {
    timer = 0;
    const marks = marksNow();
    if (marks.length || measured) paintMarks(back, shown.peek(), marks);
    else back.replaceChildren();
    follow();
  };
  let seen = wish.peek().n; // what was wished of another page is no wish of this one
  /** What has no marks has nothing behind it: two texts take twice the time. */
  const later = () => (timer ||= setTimeout(() => paint(false), shown.peek().length > LONG ? PAUSE_MS : 0));
  const ends = [
    effect(() => opened(area, base.value?.id ?? "")),
    effect(() => (put(area, shown.value), marksNow(), later())),
    effect(() => (growing.value ? followGrowing(area, back, paint) : (following = true))),
    effect(() => (wish.value.n === seen ? null : ((seen = wish.value.n), lookThere(area, back, paint)))),
  ];
  const size = new ResizeObserver(follow);
  size.observe(area);
  return () => {
    clearTimeout(timer);
    size.disconnect();
    left(area);
    ends.forEach((end) => end());
  };
}

// ── the field ───────────────────────────────────────────────────────────────────────────────────────

let chapter = ""; // that is in the field

/** @param {HTMLTextAreaElement} area */
function left(area) {
  if (chapter) localStorage.setItem(`fabula.caret.${chapter}`, `${area.selectionEnd} ${Math.round(area.scrollTop)}`);
  chapter = "";
}

/** Another chapter: at the place where it was left, else at its end. @param {HTMLTextAreaElement} area @param {string} id */
function opened(area, id) {
  if (id === chapter) return;
  left(area);
  area.value = shown.peek();
  chapter = id;
  const [caret, scroll] = (localStorage.getItem(`fabula.caret.${id}`) ?? `${area.value.length} ${Number.MAX_SAFE_INTEGER}`).split(" ").map(Number);
  area.setSelectionRange(caret, caret);
  area.scrollTop = scroll;
  selection.value = { start: area.selectionStart, end: area.selectionEnd };
}

/** Only what differs, so that the caret, the selection and what the reader sees stay. @param {HTMLTextAreaElement} area @param {string} now */
function put(area, now) {
  if (area.value === now) return;
  const { start, removed, inserted } = difference(area.value, now);
  const top = area.scrollTop;
  area.setRangeText(inserted, start, start + removed, "preserve");
  if (area.scrollTop !== top) area.scrollTop = top;
}

let following = true;

/** @param {HTMLTextAreaElement} area @param {HTMLElement} back @param {() => void} paint */
function followGrowing(area, back, paint) {
  const end = growing.value?.end ?? 0;
  paint();
  const bottom = placeTop(back, end);
  const below = bottom - (area.scrollTop + area.clientHeight - NEAR_PX);
  if (following && below > 0) area.scrollTop += below;
}

/** Who scrolls away from what is being written stays there. @param {WheelEvent | TouchEvent} event */
export const scrolledByHand = (event) => (following = event instanceof WheelEvent ? event.deltaY > 0 && following : false);

/** @param {HTMLTextAreaElement} area @param {HTMLElement} back @param {() => void} paint */
function lookThere(area, back, paint) {
  const { place, end } = wish.value;
  area.setSelectionRange(place, end);
  selection.value = { start: area.selectionStart, end: area.selectionEnd };
  paint();
  const top = placeTop(back, place);
  const isSeen = top > area.scrollTop + NEAR_PX / 2 && top < area.scrollTop + area.clientHeight - NEAR_PX / 2;
  if (!isSeen) area.scrollTop = Math.max(0, top - area.clientHeight / 3);
}

// ── the marks ───────────────────────────────────────────────────────────────────────────────────────

/** @typedef {Mark & {kind: string}} Kinded */

/** @returns {Kinded[]} */
function marksNow() {
  const by = (/** @type {string} */ kind) => (/** @type {Mark} */ mark) => ({ ...mark, kind });
  const { marks, at } = finds.value;
  const chosen = selection.value;
  return [
    ...(marksShown.value === "yes" ? modelMarks.value.map(by("model")) : []),
    ...(growing.value ? [by("growing")(growing.value)] : []),
    ...(away.value && chosen.end > chosen.start ? [by("selected")(chosen)] : []),
    ...marks.map((mark, index) => by(index === at ? "here" : "found")(mark)),
  ];
}

/** @param {HTMLElement} back @param {string} now @param {Kinded[]} marks */
function paintMarks(back, now, marks) {
  const edges = [...new Set([0, now.length, ...marks.flatMap(({ start, end }) => [start, end])])].filter((edge) => edge <= now.length).sort((a, b) => a - b);
  const parts = [];
  for (let index = 0; index + 1 < edges.length; index += 1) parts.push(part(now, edges[index], edges[index + 1], marks));
  back.replaceChildren(...parts, "\n"); // a field shows the line behind its last break, too
}

/** @param {string} now @param {number} start @param {number} end @param {Kinded[]} marks */
function part(now, start, end, marks) {
  const piece = now.slice(start, end);
  const kinds = marks.filter((mark) => mark.start <= start && mark.end >= end).map(({ kind }) => `mark-${kind}`);
  if (!kinds.length) return piece;
  const span = document.createElement("span");
  span.className = kinds.join(" ");
  span.textContent = piece;
  return span;
}

/** How far down a place stands. @param {HTMLElement} back @param {number} place */
function placeTop(back, place) {
  const walker = document.createTreeWalker(back, NodeFilter.SHOW_TEXT);
  let left = place;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const size = node.nodeValue?.length ?? 0;
    if (left > size) {
      left -= size;
      continue;
    }
    const range = document.createRange();
    range.setStart(node, Math.max(0, Math.min(left, size - 1)));
    range.setEnd(node, Math.min(size, Math.max(left, 1)));
    return range.getBoundingClientRect().bottom - back.getBoundingClientRect().top;
  }
  return 0;
}

export const focusPaper = () => document.getElementById("paper")?.focus();
