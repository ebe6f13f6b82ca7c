// Text that was typed but not sent, per chat. Survives a reload. Knows no server.
// @ts-check

/** @param {string} chatId */
const key = (chatId) => `fabula.draft.${chatId}`;

/** @param {string} chatId */
export const draftOf = (chatId) => localStorage.getItem(key(chatId)) ?? "";

/** @param {string} chatId @param {string} text */
export function keepDraft(chatId, text) {
  if (text) localStorage.setItem(key(chatId), text);
  else localStorage.removeItem(key(chatId));
}
