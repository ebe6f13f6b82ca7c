// Which rows of a long list are near the screen: only these are in the page. Knows no content.
// @ts-check
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const OVERSCAN = 2; // rows beyond each edge
const FAST = 3; // px/ms: faster than anybody looks at what goes by
const STEADY_MS = 200; // longer between two looks is a jump, which ends where it is wanted

/**
 * For a list inside a scrolling element (the nearest `.page` or `[data-scrolls]`).
 * `flung`: it goes by too fast to be looked at; whoever walks it by keyboard looks at every step.
 * @param {number} count of items
 * @param {(width: number) => {columns: number, height: number}} shape how many stand in a row, and how high a row is, px
 * @param {boolean} [waits] while it is flung, the window stays where it was: the list shows by itself that more will come
 */
export function useWindow(count, shape, waits = false) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [view, setView] = useState({ columns: 1, height: 1, width: 0, first: 0, last: 0, flung: false });
  const now = useRef(view);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (list.current);
    const scroller = /** @type {HTMLElement} */ (element.closest(".page, [data-scrolls]"));
    const look = (flung = false) => {
      const next = flung && waits ? waiting(now.current) : seen(now.current, element, scroller, count, shape, flung);
      if (next !== now.current) setView((now.current = next));
    };
    let before = { top: scroller.scrollTop, at: 0 };
    let fastAt = -Infinity; // a frame that came late looks slow: what was fast a moment ago still is
    let rest = 0;
    const atRest = () => {
      const left = fastAt + STEADY_MS - performance.now();
      rest = left > 0 ? setTimeout(atRest, left) : 0;
      if (!rest) look();
    };
    const scrolled = () => {
      const { scrollTop: top } = scroller;
      const at = frameTime();
      const passed = at - before.at;
      const isFast = passed < STEADY_MS && Math.abs(top - before.top) > FAST * passed && !element.contains(document.activeElement);
      before = { top, at };
      if (isFast) fastAt = at;
      if (isFast && !rest) rest = setTimeout(atRest, STEADY_MS); // one for a whole fling
      look(at - fastAt < STEADY_MS);
    };
    const sizes = new ResizeObserver(() => look(now.current.flung));
    sizes.observe(element);
    sizes.observe(scroller);
    scroller.addEventListener("scroll", scrolled, { passive: true });
    look();
    return () => (clearTimeout(rest), sizes.disconnect(), scroller.removeEventListener("scroll", scrolled));
  }, [count, shape, waits]);
  return { list, ...view };
}

/** @typedef {{columns: number, height: number, width: number, first: number, last: number, flung: boolean}} View */

/** ms: when this frame was begun, by which everything moves in it. */
const frameTime = () => Number(document.timeline.currentTime ?? performance.now());

/** @param {View} before */
const waiting = (before) => (before.flung ? before : { ...before, flung: true });

/**
 * The same object where nothing has changed: then nothing is drawn anew.
 * @param {View} before @param {HTMLElement} element @param {HTMLElement} scroller @param {number} count
 * @param {(width: number) => {columns: number, height: number}} shape @param {boolean} flung
 */
function seen(before, element, scroller, count, shape, flung) {
  const width = element.clientWidth;
  const { columns, height } = shape(width);
  const above = scroller.getBoundingClientRect().top - element.getBoundingClientRect().top;
  const rows = Math.ceil(count / columns);
  const top = Math.max(0, Math.min(Math.floor(above / height) - OVERSCAN, rows));
  const bottom = Math.max(0, Math.min(Math.ceil((above + scroller.clientHeight) / height) + OVERSCAN, rows));
  const next = { columns, height, width, first: top * columns, last: Math.min(bottom * columns, count), flung };
  const names = /** @type {(keyof View)[]} */ (Object.keys(next));
  return names.every((name) => next[name] === before[name]) ? before : next;
}

/** Brings a place of the list onto the screen. @param {HTMLElement | null} element @param {number} place @param {View} view */
export function reveal(element, place, { columns, height }) {
  const scroller = element?.closest(".page, [data-scrolls]");
  if (!element || !scroller) return;
  const top = element.getBoundingClientRect().top + Math.floor(place / columns) * height;
  const { top: edge, height: tall } = scroller.getBoundingClientRect();
  if (top < edge) scroller.scrollTop += top - edge;
  else if (top + height > edge + tall) scroller.scrollTop += top + height - edge - tall;
}
