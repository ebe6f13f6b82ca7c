// What the open chat remembers beyond its window. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { chat } from "./chat.js";
import { newLine } from "./line.js";
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
const inLine = newLine();
let asked = 0; // the answer to an older question is not shown

const path = () => `/chats/${chat.value?.id}/memory`;

export async function loadMemory() {
  const id = chat.value?.id;
  if (!id) return;
  const question = (asked += 1);
  try {
    const got = await api.get(`/chats/${id}/memory`);
    if (question === asked && chat.value?.id === id) [memory.value, failure.value] = [{ ...got, chat: id }, null];
  } catch (error) {
    if (question === asked) failure.value = error;
  }
}

/** One after the other, each for the chat that was open when it was asked for; read again after each. @param {(path: string) => Promise<unknown>} work @returns {Promise<boolean>} whether it was done; a refusal is told */
function change(work) {
  const place = path();
  return inLine(async () => {
    const done = await work(place).then(() => true, (error) => (tellError(error), false));
    await loadMemory();
    return done;
  });
}

/** @param {Partial<MemorySettings>} values */
export const setMemory = (values) => change((place) => api.patch(place, values));
/** @param {string} text */
export const pin = (text) => change((place) => api.post(`${place}/facts`, { text }));
/** @param {string} id @param {string} text */
export const rewrite = (id, text) => change((place) => api.put(`${place}/${id}`, { text }));
/** @param {string} id */
export const forget = (id) => change((place) => api.remove(`${place}/${id}`));
/** @param {File} file */
export const keepDocument = (file) => change(async (place) => api.post(`${place}/documents`, { name: file.name, text: await file.text() }));

export async function sumUp() {
  sums.value = true;
  await change((place) => api.post(`${place}/summaries`));
  sums.value = false;
}

/** @param {string} words @returns {Promise<{source_id: string, number: number, text: string, likeness: number}[] | null>} */
export const recalledFor = (words) => api.get(`${path()}/passages?q=${encodeURIComponent(words)}`).then((got) => got.passages, (error) => (tellError(error), null));
