// Text that was typed but not sent, per chat. Survives a reload. Knows no server.
// @ts-check
import { signal } from "@preact/signals";

/** What goes into the box where the person writes; raised by whoever puts it there. */
export const inserted = signal({ chatId: "", text: "", n: 0 });

/** @param {string} chatId @param {string} text */
export const insertText = (chatId, text) => (inserted.value = { chatId, text, n: inserted.value.n + 1 });

/** @param {string} chatId */
const key = (chatId) => `fabula.draft.${chatId}`;

/** @param {string} chatId */
export const draftOf = (chatId) => localStorage.getItem(key(chatId)) ?? "";

/** @param {string} chatId @param {string} text */
export function keepDraft(chatId, text) {
  if (text) localStorage.setItem(key(chatId), text);
  else localStorage.removeItem(key(chatId));
}
