// What stands beside messages in another language. Knows the open chat, and no view.
// @ts-check
import { effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { chat } from "./chat.js";
import { tellError } from "./toasts.js";

/** @import { Message } from "../types.d.ts" */
/** @typedef {{message_id: string, version_id: string, language: string, text: string}} Translated */

const translations = signal(/** @type {Translated[]} */ ([]));
export const languages = signal(/** @type {string[]} */ ([]));
let read = "";

effect(() => {
  const id = chat.value?.id ?? "";
  if (id !== read) untracked(() => load(id));
});

/** @param {string} id */
async function load(id) {
  read = id;
  translations.value = [];
  if (!id) return;
  const got = await api.get(`/chats/${id}/translations`).catch(() => null); // they are only beside the text
  if (got && read === id) [translations.value, languages.value] = [got.translations, got.languages];
}

/** Those of the version that is shown. @param {Message} message @returns {Translated[]} */
export const translationsOf = ({ version_id: version }) => translations.value.filter((one) => one.version_id === version);

/** Answers whether it is there. @param {Message} message @param {string} to @param {string} model */
export async function translate(message, to, model) {
  const id = chat.value?.id;
  try {
    const made = await api.post(`/chats/${id}/messages/${message.id}/translate`, { to, model });
    const others = translations.value.filter((one) => one.version_id !== made.version_id || one.language !== made.language);
    if (read === id) translations.value = [...others, made];
    return true;
  } catch (error) {
    tellError(error);
    return false;
  }
}

/** @param {Translated} one */
export async function dropTranslation({ message_id: id }) {
  await api.remove(`/chats/${chat.value?.id}/messages/${id}/translations`).then(() => (translations.value = translations.value.filter((one) => one.message_id !== id)), tellError);
}
