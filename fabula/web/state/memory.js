// What the open chat remembers beyond its window. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { chat } from "./chat.js";
import { tellError } from "./toasts.js";

/** @typedef {{id: string, kind: string, text: string, name: string, edited: boolean, created_at: number, size?: number, covers?: number, in_force?: boolean}} Kept */
/** @typedef {{summary: "off" | "auto", words: number, recall: number, embedder: string}} MemorySettings */
/**
 * @typedef {object} Memory
 * @property {string} chat
 * @property {MemorySettings} settings
 * @property {null | {model: string, weak: boolean}} embedder
 * @property {Kept[]} facts
 * @property {Kept[]} summaries
 * @property {Kept[]} documents
 * @property {boolean} writing
 * @property {null | {message: string}} problem
 */

export const memory = signal(/** @type {Memory | null} */ (null));
export const failure = signal(/** @type {any} */ (null));
/** Whether a summary is being written. */
export const sums = signal(false);
let last = Promise.resolve();

/** @param {string} [rest] */
const path = (rest = "") => `/chats/${chat.value?.id}/memory${rest}`;

export async function loadMemory() {
  const id = chat.value?.id;
  if (!id) return;
  try {
    const got = await api.get(`/chats/${id}/memory`);
    if (chat.value?.id === id) [memory.value, failure.value] = [{ ...got, chat: id }, null];
  } catch (error) {
    failure.value = error;
  }
}

/** One after the other, and read again after each. @param {() => Promise<unknown>} work */
function change(work) {
  last = last.then(() => work().then(loadMemory, (error) => (tellError(error), loadMemory())));
  return last;
}

/** @param {Partial<MemorySettings>} values */
export const setMemory = (values) => change(() => api.patch(path(), values));
/** @param {string} text */
export const pin = (text) => change(() => api.post(path("/facts"), { text }));
/** @param {string} id @param {string} text */
export const rewrite = (id, text) => change(() => api.put(path(`/${id}`), { text }));
/** @param {string} id */
export const forget = (id) => change(() => api.remove(path(`/${id}`)));
/** @param {File} file */
export const keepDocument = (file) => change(async () => api.post(path("/documents"), { name: file.name, text: await file.text() }));

export async function sumUp() {
  sums.value = true;
  await change(() => api.post(path("/summaries")));
  sums.value = false;
}

/** @param {string} words @returns {Promise<{source_id: string, number: number, text: string, likeness: number}[] | null>} */
export const recalledFor = (words) => api.get(path(`/passages?q=${encodeURIComponent(words)}`)).then((got) => got.passages, (error) => (tellError(error), null));
