// What was typed and has not been sent when the page is closed, reloaded or put aside: the field says that it was changed, as
// if it were left; who saves after a pause saves now; and what is sent then outlives the page. Knows no field and no route.
// @ts-check
import { outlive } from "../api.js";

/** @type {Set<() => unknown>} */
const waiting = new Set();
/** The field that was typed into and has not told of it; a page that was left is not kept for it. @type {WeakRef<Element> | null} */
let typedInto = null;

/** Called when the page may be gone in a moment: it has to ask the studio at once. @param {() => unknown} hand */
export const whenLeaving = (hand) => void waiting.add(hand);

/** @type {Set<() => boolean>} */
const holds = new Set();

/** What waits for an answer before it can be sent would be gone with the page: then the browser asks. @param {() => boolean} waits */
export const askBeforeLeaving = (waits) => void holds.add(waits);

addEventListener("beforeunload", (event) => {
  for (const waits of holds) if (waits()) event.preventDefault();
});

function leave() {
  outlive(true);
  const field = typedInto?.deref();
  typedInto = null;
  if (field?.isConnected) field.dispatchEvent(new Event("change", { bubbles: true }));
  for (const hand of waiting) hand();
}

const stay = () => outlive(false);

addEventListener("input", ({ target }) => (typedInto = new WeakRef(/** @type {Element} */ (target))), true);
addEventListener("change", ({ target }) => target === typedInto?.deref() && (typedInto = null), true);
addEventListener("pagehide", leave); // not every browser says "hidden" when a page is closed
addEventListener("pageshow", stay);
document.addEventListener("visibilitychange", () => (document.hidden ? leave() : stay()));
