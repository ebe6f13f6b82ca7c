// The characters near the screen as tiles or rows, walked by the arrow keys. Knows how they lie, not how they are fetched.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { at, choose, chooseAll, chooseNone, chosen, filter, need, pages, pictureOf, shape, toggleFavourite, trash } from "../../state/characters.js";
import { startChat } from "../../state/card.js";
import { go } from "../../state/route.js";
import { models, usable } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { reveal, useWindow } from "./useWindow.js";

/** @import { Character } from "../../types.d.ts" */

const GAP = 16; // px, as in the style sheet
const TILE = 156; // px at least
const WORDS = 92; // px below the picture: a name, two lines, the button
const ROW = 68; // px of a row of the list
const LINE = 1; // px between two rows
const TALL = 4 / 3; // of a picture: height to width
const REST_MS = 60; // what is scrolled past is not fetched
const CHAR = /\{\{char\}\}|<BOT>|<CHAR>/gi;

/** The place that has the focus, or had it last. */
const active = signal(0);
let anchor = 0; // where a stretch of chosen ones began

/** @param {number} width */
function grid(width) {
  const columns = Math.max(2, Math.floor((width + GAP) / (TILE + GAP)));
  const tile = (width - GAP * (columns - 1)) / columns;
  return { columns, height: Math.round(tile * TALL) + WORDS + GAP };
}

const list = () => ({ columns: 1, height: ROW });

/** @param {{count: number}} props */
export function Tiles({ count }) {
  const isGrid = shape.value === "grid";
  const view = useWindow(count, isGrid ? grid : list, true);
  const wanted = useRef(-1); // a place that is to have the focus once it is there
  const kept = useRef(/** @type {Map<number, any>} */ (new Map()));
  const { first, last, columns, height, flung } = view;
  useEffect(() => {
    const timer = setTimeout(() => need(first, last), REST_MS);
    return () => clearTimeout(timer);
  }, [first, last, filter.value, pages.value]);
  useLayoutEffect(() => {
    if (wanted.current < 0) return;
    const link = /** @type {HTMLElement | null} */ (view.list.current?.querySelector(`[data-place="${wanted.current}"] a`));
    if (!link) return;
    wanted.current = -1;
    link.focus({ preventScroll: true });
  });
  const walk = (/** @type {number} */ place) => {
    active.value = Math.max(0, Math.min(place, count - 1));
    wanted.current = active.value;
    reveal(view.list.current, active.value, view);
    const link = /** @type {HTMLElement | null} */ (view.list.current?.querySelector(`[data-place="${active.value}"] a`));
    link?.focus({ preventScroll: true });
  };
  const places = Array.from({ length: Math.max(0, last - first) }, (_, index) => first + index);
  const off = Boolean(models.value && !usable.value.length);
  const size = Math.ceil(count / columns) * height;
  const gap = isGrid ? GAP : 0;
  const { width } = view;
  const frame = useMemo(() => ({ columns, height: height - gap, step: height, width: (width - gap * (columns - 1)) / columns, gap }), [columns, height, width, gap]);
  const drawn = new Map(places.map((place) => [place, tileAt(place, { count, off, frame }, kept.current.get(place))]));
  kept.current = drawn;
  const traces = { "--tile-width": `${frame.width}px`, "--tile-height": `${frame.height - (isGrid ? 0 : LINE)}px`, "--tile-step": `${height}px`, "--tile-gap": `${gap}px` };
  return html`<div class=${flung ? "tiles-frame is-flung" : "tiles-frame"} ref=${view.list} style=${{ height: `${size}px`, ...traces }} onKeyDown=${(/** @type {KeyboardEvent} */ event) => keyDown(event, columns, count, walk)}>
    <ul
      class=${isGrid ? "tiles" : "tiles tiles-list"}
      aria-label=${t("web.nav.characters")}
    >
      ${places.map((place) => drawn.get(place))}
    </ul>
  </div>`;
}

/** @typedef {{columns: number, height: number, width: number, step: number, gap: number}} Frame how tiles lie, px; `step` is from row to row */
/** @typedef {{count: number, off: boolean, frame: Frame}} Around */

/** The same object while nothing of it has changed: then it is not looked at again. @param {number} place @param {Around} around @param {any} before */
function tileAt(place, around, before) {
  const one = at(place);
  const { count, off, frame } = around;
  const { props } = before ?? {};
  if (!one) return props?.frame === frame && !props.one ? before : html`<${Empty} key=${place} place=${place} frame=${frame} />`;
  const isSame = props?.one === one && props.count === count && props.off === off && props.frame === frame;
  return isSame ? before : html`<${Tile} key=${one.id} one=${one} place=${place} ...${around} />`;
}

/** Each lies where it belongs in the whole: what comes and goes above it does not move it. @param {number} place @param {Frame} frame */
function boxOf(place, { columns, height, width, step, gap }) {
  const column = place % columns;
  return { top: `${Math.floor(place / columns) * step}px`, left: `${column * (width + gap)}px`, width: `${width}px`, height: `${height}px` };
}

/** @param {{place: number, frame: Frame}} props */
function Empty({ place, frame }) {
  return html`<li class="tile tile-empty" data-place=${place} style=${boxOf(place, frame)}></li>`;
}

/** @param {{one: Character, place: number} & Around} props */
function Tile({ one, place, count, off, frame }) {
  const { id, name, about, favourite } = one;
  const tab = active.value === place ? 0 : -1;
  const isChosen = chosen.value.has(id);
  const picture = pictureOf(one, shape.value === "grid" ? 384 : 96);
  return html`<li class=${isChosen ? "tile is-chosen" : "tile"} data-place=${place} style=${boxOf(place, frame)} aria-posinset=${place + 1} aria-setsize=${count} onFocusIn=${() => (active.value = place)}>
    <a href=${`#/characters/${encodeURIComponent(id)}`} tabindex=${tab}>
      ${picture ? html`<img class="tile-picture" src=${picture} alt="" decoding="async" />` : html`<span class="tile-picture" aria-hidden="true">${[...name][0]}</span>`}
      <strong>${name}</strong>
      <span class="quiet">${about.replace(CHAR, name)}</span>
    </a>
    <input type="checkbox" tabindex=${tab} aria-label=${t("web.characters.choose", { name })} checked=${isChosen} onClick=${(/** @type {MouseEvent} */ event) => pick(place, id, !isChosen, event.shiftKey)} />
    <button type="button" class="tile-star" tabindex=${tab} aria-pressed=${favourite} aria-label=${t("web.characters.favourite", { name })} onClick=${() => toggleFavourite(one)}></button>
    <button type="button" class="button tile-talk" tabindex=${tab} disabled=${off} aria-label=${t("web.characters.talk_to", { name })} onClick=${() => startChat(id)}>${t("web.characters.talk")}</button>
  </li>`;
}

/** With Shift, all from the last one that was picked. @param {number} place @param {string} id @param {boolean} on @param {boolean} many */
function pick(place, id, on, many) {
  const [from, to] = [Math.min(anchor, place), Math.max(anchor, place)];
  const ids = many ? Array.from({ length: to - from + 1 }, (_, index) => at(from + index)?.id ?? "").filter(Boolean) : [id];
  choose(ids, on);
  anchor = place;
}

/** @param {KeyboardEvent} event @param {number} columns @param {number} count @param {(place: number) => void} walk */
function keyDown(event, columns, count, walk) {
  const place = active.value;
  const one = at(place);
  const onLink = event.target instanceof HTMLAnchorElement;
  const steps = /** @type {Record<string, number>} */ ({ ArrowRight: place + 1, ArrowLeft: place - 1, ArrowDown: place + columns, ArrowUp: place - columns, Home: 0, End: count - 1 });
  const marks = /** @type {Record<string, () => void>} */ ({
    " ": () => one && pick(place, one.id, !chosen.value.has(one.id), event.shiftKey),
    f: () => one && toggleFavourite(one),
    Delete: () => one && trash(chosen.value.size ? chosen.value : new Set([one.id]), !filter.value.trashed),
    Escape: () => chosen.value.size && chooseNone(),
    e: () => one && go(`#/characters/${encodeURIComponent(one.id)}`),
  });
  const all = (event.ctrlKey || event.metaKey) && event.key === "a";
  if (all) chooseAll();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key in steps) walk(steps[event.key]);
  else if (onLink && event.key in marks) marks[event.key]();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
