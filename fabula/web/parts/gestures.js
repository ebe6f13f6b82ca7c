// Thumbs on a message: a stroke to the side changes a reply, a long press opens its menu; and the keyboard of the screen
// never lies on the composer. Knows the list of messages by its elements.
// @ts-check
import { page } from "../state/chat.js";
import { shown } from "../state/turn.js";
import { swipe } from "./Actions.js";
import { loadStyle } from "./later.js";

loadStyle("thumbs.css");

const STROKE_PX = 60;
const STILL_PX = 10;
const SLOPE = 2; // a stroke goes this much further to the side than up or down
const PRESS_MS = 500;
const EDGE_PX = 24; // browsers go back from there
/** What moves to the side by itself, or is pressed for its own sake. */
const OWN = "pre, table, a, button, input, textarea, select, summary, [role=menu]";

/** @typedef {{message: HTMLElement, x: number, y: number, timer: number}} Touch */
let touch = /** @type {Touch | null} */ (null);

function forget() {
  clearTimeout(touch?.timer);
  touch = null;
}

/** @param {PointerEvent} event */
function down(event) {
  forget();
  const target = /** @type {HTMLElement} */ (event.target);
  const message = /** @type {HTMLElement | null} */ (target.closest?.(".message"));
  if (event.pointerType !== "touch" || !event.isPrimary || !message || target.closest(OWN)) return;
  const { clientX: x, clientY: y } = event;
  if (x < EDGE_PX || x > innerWidth - EDGE_PX) return;
  touch = { message, x, y, timer: setTimeout(() => (openMenu(message), forget()), PRESS_MS) };
}

/** @param {PointerEvent} event */
function move(event) {
  if (touch && Math.hypot(event.clientX - touch.x, event.clientY - touch.y) > STILL_PX) clearTimeout(touch.timer);
}

/** @param {PointerEvent} event */
function up(event) {
  const begun = touch;
  forget();
  if (!begun) return;
  const [across, along] = [event.clientX - begun.x, event.clientY - begun.y];
  if (Math.abs(across) < STROKE_PX || Math.abs(across) < SLOPE * Math.abs(along)) return;
  const message = [...shown.value, ...page.value.messages].find((one) => one.id === begun.message.dataset.id);
  if (message?.role === "assistant") swipe(message, across < 0 ? 1 : -1);
}

/** @param {HTMLElement} message */
function openMenu(message) {
  if (String(getSelection()).length) return;
  const menus = message.querySelectorAll(".message-foot button[aria-haspopup=menu][aria-expanded=false]");
  /** @type {HTMLElement | undefined} */ ([...menus].at(-1))?.click();
}

addEventListener("pointerdown", down);
addEventListener("pointermove", move);
addEventListener("pointerup", up);
addEventListener("pointercancel", forget);

// ── the keyboard ────────────────────────────────────────────────────────────────────────────────────

const view = window.visualViewport;

/** Where the keyboard lies over the page instead of making it smaller (Safari), the app takes what is left. */
function fitKeyboard() {
  if (!view || view.scale > 1.01) return;
  const covered = innerHeight - view.height;
  const style = document.documentElement.style;
  if (covered > 1) style.setProperty("--app-height", `${view.height}px`);
  else style.removeProperty("--app-height");
  if (view.offsetTop) scrollTo(0, 0);
}

view?.addEventListener("resize", fitKeyboard);
