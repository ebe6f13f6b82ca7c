// A button with a menu under it: arrow keys, Escape, focus back to the button. Knows no view.
// @ts-check
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { Icon } from "./Icon.js";

/**
 * @typedef {object} Item
 * @property {string} label
 * @property {() => void} run
 * @property {any} [icon]
 * @property {string} [note] small words under the label
 * @property {string} [keys] the shortcut
 * @property {boolean} [checked] makes it a choice
 * @property {boolean} [disabled]
 */

const OPENS_UP_FROM = 0.6; // of the window's height: lower down there is more room above

/** @param {{label: string, items: Item[], children: any, class?: string, align?: "left" | "right"}} props */
export function Menu({ label, items, children, class: name = "icon-button", align = "right" }) {
  const [open, setOpen] = useState(false);
  const [up, setUp] = useState(false);
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const close = (/** @type {boolean} */ refocus) => {
    setOpen(false);
    if (refocus) root.current?.querySelector("button")?.focus();
  };
  const toggle = () => {
    setUp((root.current?.getBoundingClientRect().bottom ?? 0) > innerHeight * OPENS_UP_FROM);
    setOpen(!open);
  };
  useLayoutEffect(() => {
    if (!open) return undefined;
    keepInside(/** @type {HTMLElement} */ (root.current?.querySelector(".menu")));
    root.current?.querySelector(/** @type {any} */ ("[role^=menuitem]:not(:disabled)"))?.focus();
    const outside = (/** @type {Event} */ event) => root.current?.contains(/** @type {Node} */ (event.target)) || setOpen(false);
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  return html`<div class="menu-root" ref=${root} onKeyDown=${(/** @type {KeyboardEvent} */ event) => open && keyDown(event, root.current, close)}>
    <button type="button" class=${name} aria-haspopup="menu" aria-expanded=${open} aria-label=${label} title=${label} onClick=${toggle}>
      ${children}
    </button>
    ${open && html`<div class=${`menu menu-${align} ${up ? "menu-up" : ""}`} role="menu" aria-label=${label}>${items.map((item) => row(item, close))}</div>`}
  </div>`;
}

const EDGE_PX = 8;
const HEAD_PX = 60; // what stands above a room lies over what scrolls under it

/** Moves a menu until it is on the screen. @param {HTMLElement} menu */
function keepInside(menu) {
  const { left, right, top, bottom } = menu.getBoundingClientRect();
  const across = Math.max(EDGE_PX - left, Math.min(0, innerWidth - EDGE_PX - right));
  const down = menu.classList.contains("menu-up") ? Math.max(0, Math.min(HEAD_PX - top, innerHeight - EDGE_PX - bottom)) : 0;
  if (across || down) menu.style.translate = `${across}px ${down}px`;
}

/** @param {Item} item @param {(refocus: boolean) => void} close */
function row(item, close) {
  const isChoice = item.checked !== undefined;
  const run = () => (close(true), item.run());
  return html`<button
    type="button"
    class="menu-item"
    role=${isChoice ? "menuitemradio" : "menuitem"}
    aria-checked=${isChoice ? item.checked : undefined}
    disabled=${item.disabled}
    onClick=${run}
  >
    <${Icon} name=${isChoice ? (item.checked ? "check" : "none") : (item.icon ?? "none")} />
    <span class="menu-words">${item.label}${item.note && html`<small>${item.note}</small>`}</span>
    ${item.keys && html`<kbd>${item.keys}</kbd>`}
  </button>`;
}

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/** @param {KeyboardEvent} event @param {HTMLElement | null} root @param {(refocus: boolean) => void} close */
function keyDown(event, root, close) {
  if (event.key === "Escape") close(true);
  else if (event.key === "Tab") return close(false);
  else if (event.key in STEPS) focusNext(root, STEPS[/** @type {"ArrowUp"} */ (event.key)]);
  else return undefined;
  event.preventDefault();
  return event.stopPropagation();
}

/** @param {HTMLElement | null} root @param {number} step */
function focusNext(root, step) {
  const items = /** @type {HTMLElement[]} */ ([...(root?.querySelectorAll("[role^=menuitem]:not(:disabled)") ?? [])]);
  const now = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  items[(now + step + items.length) % items.length]?.focus();
}
