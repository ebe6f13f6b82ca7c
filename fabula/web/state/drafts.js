// Text that was typed but not sent, per chat. Survives a reload. Knows no server.
// @ts-check
import { signal } from "@preact/signals";

/** Raised when a draft was changed by others than the box in which the person writes. */
export const redrafted = signal({ chatId: "", n: 0 });

/** @param {string} chatId */
const key = (chatId) => `fabula.draft.${chatId}`;

/** @param {string} chatId */
export const draftOf = (chatId) => localStorage.getItem(key(chatId)) ?? "";

/** @param {string} chatId @param {string} text */
export function keepDraft(chatId, text) {
  if (text) localStorage.setItem(key(chatId), text);
  else localStorage.removeItem(key(chatId));
}

/** Makes something else of a draft, whether its box is on the page or not. @param {string} chatId @param {(now: string) => string} make */
export function redraft(chatId, make) {
  keepDraft(chatId, make(draftOf(chatId)));
  redrafted.value = { chatId, n: redrafted.value.n + 1 };
}

/** Behind what is there. @param {string} chatId @param {string} text @param {string} [between] */
export const insertText = (chatId, text, between = " ") => redraft(chatId, (now) => [now, text].filter(Boolean).join(between));
