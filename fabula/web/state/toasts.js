// Short notices at the edge of the screen, with at most one action ("Undo"). Knows no view.
// @ts-check
import { signal } from "@preact/signals";

const SHOWN_MS = 8000;
const WITH_ACTION_MS = 20_000; // who reads slowly, or walks there by keyboard, gets to the way back

/** @typedef {{id: number, text: string, kind: "info" | "error", action?: {label: string, run: () => void}}} Toast */

export const toasts = signal(/** @type {Toast[]} */ ([]));
let counter = 0;

/** @param {string} text @param {{kind?: "info" | "error", action?: Toast["action"], stays?: boolean}} [options] stays: until it is closed */
export function tell(text, { kind = "info", action, stays = false } = {}) {
  const toast = { id: ++counter, text, kind, action };
  toasts.value = [...toasts.value.filter((other) => other.text !== text).slice(-2), toast];
  if (!stays) setTimeout(() => dismiss(toast.id), SHOWN_MS);
}

/** @param {unknown} error */
export function tellError(error) {
  tell(error instanceof Error ? error.message : String(error), { kind: "error" });
}

/** @param {number} id */
export function dismiss(id) {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
