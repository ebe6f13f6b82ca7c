// Files that are dropped or picked: each is handed to the studio, which knows what it is; what became of it is told.
// Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { filter, loadCharacters, loadDrawers } from "./characters.js";
import { loadChats } from "./chats.js";

/** @typedef {{file: string, kind: "character" | "lorebook" | "chat" | "replies", id: string, name: string, already?: boolean}} Taken `already`: the same was here */
/** @typedef {{file: string, reason: string}} Refused */
/** @typedef {{done: number, total: number, taken: Taken[], refused: Refused[]}} Report */

const AT_ONCE = 3;

/** Of the files that were handed over last; null while nothing has been, or once it was put away. */
export const report = signal(/** @type {Report | null} */ (null));

/** Characters go into the folder that is shown. @param {{file: File, path: string}[]} files */
export async function takeAll(files) {
  if (!files.length) return;
  const done = await take(files, filter.value.folder ?? "");
  await Promise.all([loadCharacters(), loadDrawers()]);
  if (done.taken.some(({ kind }) => kind === "chat")) await loadChats();
}

/** @param {{file: File, path: string}[]} files @param {string} [folder] where characters go */
export async function take(files, folder = "") {
  report.value = { done: 0, total: files.length, taken: [], refused: [] };
  const waiting = [...files];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await takeOne(next, folder);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return /** @type {Report} */ (report.value);
}

/** A file of another host, which the studio asks for. @param {string} address */
export async function takeFrom(address) {
  report.value = { done: 0, total: 1, taken: [], refused: [] };
  const body = { address, folder: filter.value.folder ?? "" };
  const got = await api.post("/take/address", body).catch((error) => ({ taken: [], refused: [{ file: address, reason: error.message }] }));
  report.value = { done: 1, total: 1, ...got };
  await Promise.all([loadCharacters(), loadDrawers()]);
}

/** @param {{file: File, path: string}} one @param {string} folder */
async function takeOne({ file, path }, folder) {
  const query = new URLSearchParams({ name: path, folder });
  const got = await api.upload(`/take?${query}`, file).catch((error) => ({ taken: [], refused: [{ file: path, reason: error.message }] }));
  const before = /** @type {Report} */ (report.value ?? { done: 0, total: 1, taken: [], refused: [] });
  report.value = { ...before, done: before.done + 1, taken: [...before.taken, ...got.taken], refused: [...before.refused, ...got.refused] };
}

/** The files of a drop, folders with all that is in them. @param {DataTransfer} data @returns {Promise<{file: File, path: string}[]>} */
export async function filesOf(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...data.files].map(named);
  return (await Promise.all(entries.map((entry) => within(/** @type {any} */ (entry))))).flat();
}

/** @param {File} file */
export const named = (file) => ({ file, path: file.webkitRelativePath || file.name });

/** @param {FileSystemEntry} entry @returns {Promise<{file: File, path: string}[]>} */
async function within(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((done, fail) => /** @type {FileSystemFileEntry} */ (entry).file(done, fail));
    return [{ file, path }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  for (;;) {
    const some = /** @type {FileSystemEntry[]} */ (await new Promise((done, fail) => reader.readEntries(done, fail)));
    if (!some.length) break; // it answers a hundred at a time
    for (const one of some) if (!one.name.startsWith(".")) found.push(...(await within(one)));
  }
  return found;
}
