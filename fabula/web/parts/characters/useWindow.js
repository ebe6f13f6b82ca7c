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
 */
export function useWindow(count, shape) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [view, setView] = useState({ columns: 1, height: 1, width: 0, first: 0, last: 0, flung: false });
  const now = useRef(view);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (list.current);
    const scroller = /** @type {HTMLElement} */ (element.closest(".page, [data-scrolls]"));
    const look = (flung = false) => {
      const next = seen(now.current, element, scroller, count, shape, flung);
      if (next !== now.current) setView((now.current = next));
    };
    let before = { top: scroller.scrollTop, at: 0 };
    let rest = 0;
    const scrolled = () => {
      const { scrollTop: top } = scroller;
      const at = performance.now();
      const passed = at - before.at;
      const flung = passed < STEADY_MS && Math.abs(top - before.top) > FAST * passed && !element.contains(document.activeElement);
      before = { top, at };
      clearTimeout(rest);
      if (flung) rest = setTimeout(look, STEADY_MS);
      look(flung);
    };
    const sizes = new ResizeObserver(() => look(now.current.flung));
    sizes.observe(element);
    sizes.observe(scroller);
    scroller.addEventListener("scroll", scrolled, { passive: true });
    look();
    return () => (clearTimeout(rest), sizes.disconnect(), scroller.removeEventListener("scroll", scrolled));
  }, [count, shape]);
  return { list, ...view };
}

/** @typedef {{columns: number, height: number, width: number, first: number, last: number, flung: boolean}} View */

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
