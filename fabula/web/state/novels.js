// The shelf: novels and notebooks, newest first; begun, taken from files, put away and brought back. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { listenFor } from "./events.js";
import { goFromHere } from "./route.js";
import { tell, tellError } from "./toasts.js";

/** @import { ListedNovel } from "../types.d.ts" */
/** @typedef {"novels" | "notebooks"} Kind */

const PAGE = 50;
const DELAY_MS = 300; // several changes in a row read the list once

export const shelf = signal(/** @type {Record<Kind, ListedNovel[] | null>} */ ({ novels: null, notebooks: null }));
export const totals = signal({ novels: 0, notebooks: 0 });
export const trash = signal(/** @type {(ListedNovel & {room: Kind})[]} */ ([]));
export const words = signal("");
export const failure = signal(/** @type {Error | null} */ (null));
const counts = { novels: PAGE, notebooks: PAGE };
const KINDS = /** @type {const} */ (["novels", "notebooks"]);

/** @param {string} kind "novel" or "notebook" @returns {Kind} */
export const roomOf = (kind) => (kind === "notebook" ? "notebooks" : "novels");
/** @param {Kind} room @param {string} id */
export const placeOf = (room, id) => `#/${room === "novels" ? "novel" : "notebook"}/${encodeURIComponent(id)}`;
/** @param {{title: string}} one */
export const titleOf = (one) => one.title || t("web.write.untitled");

let question = 0; // the answer to an older question is not shown

export async function loadShelf() {
  const mine = (question += 1);
  const query = `words=${encodeURIComponent(words.value.trim())}`;
  try {
    const [novels, notebooks] = await Promise.all(KINDS.map((kind) => api.get(`/${kind}?${query}&limit=${counts[kind]}`)));
    if (mine !== question) return;
    shelf.value = { novels: novels.novels, notebooks: notebooks.notebooks };
    totals.value = { novels: novels.total, notebooks: notebooks.total };
    failure.value = null;
  } catch (error) {
    if (mine === question) failure.value = /** @type {Error} */ (error);
  }
}

/** @param {Kind} kind */
export function more(kind) {
  counts[kind] += PAGE;
  return loadShelf();
}

/** @param {string} text */
export function searchFor(text) {
  words.value = text;
  return loadShelf();
}

let trashed = 0; // the same for what was put away

export async function loadTrash() {
  const mine = (trashed += 1);
  const found = await Promise.all(KINDS.map((room) => api.get(`/${room}?trashed=true`).then((got) => got[room].map((/** @type {any} */ one) => ({ ...one, room })))));
  if (mine === trashed) trash.value = found.flat().sort((one, other) => other.updated_at - one.updated_at);
}

let timer = 0;
/** Hear of changes for as long as the shelf is looked at. Answers how to stop. */
export function watchShelf() {
  const soon = () => (clearTimeout(timer), (timer = setTimeout(() => (loadShelf(), loadTrash().catch(() => null)), DELAY_MS)));
  const ends = [listenFor("novel", soon), listenFor("open", soon)];
  return () => (clearTimeout(timer), ends.forEach((end) => end()));
}

// ── changes ─────────────────────────────────────────────────────────────────────────────────────────

/** Begin one, and open it. @param {Kind} room @param {Record<string, any>} fields */
export async function create(room, fields) {
  const goThere = goFromHere();
  try {
    const made = await api.post(`/${room}`, fields);
    goThere(placeOf(room, made.id));
    return true;
  } catch (error) {
    tellError(error);
    return false;
  }
}

/** From files; a single one is opened. @param {File[]} files */
export async function takeFiles(files) {
  const goThere = goFromHere();
  const made = [];
  for (const file of files) {
    const got = await api.upload(`/novels/import?name=${encodeURIComponent(file.name)}`, file).catch((error) => (tellError(error), null));
    if (got) made.push(got);
  }
  if (made.length === 1 && files.length === 1) goThere(placeOf("novels", made[0].id));
  for (const one of made) tell(t("web.write.imported", { title: titleOf(one), chapters: one.chapters.length, words: one.words }));
  await loadShelf();
}

/** @param {Kind} room @param {{id: string, title: string}} one */
export async function putAway(room, one) {
  try {
    await api.remove(`/${room}/${one.id}`);
    tell(t("web.write.put_away", { title: titleOf(one) }), { action: { label: t("web.undo"), run: () => bringBack(room, one) } });
  } catch (error) {
    tellError(error);
  }
  await Promise.all([loadShelf(), loadTrash()]).catch(tellError);
}

/** @param {Kind} room @param {{id: string, title: string}} one */
export async function bringBack(room, one) {
  await api.post(`/${room}/${one.id}/restore`).catch(tellError);
  await Promise.all([loadShelf(), loadTrash()]).catch(tellError);
}

/** For good. @param {Kind} room @param {{id: string, title: string}} one */
export async function destroy(room, one) {
  await api.remove(`/${room}/${one.id}?forever=true`).catch(tellError);
  await loadTrash().catch(tellError);
}

/** @param {Kind} room @param {string} id @param {"markdown" | "text" | "html"} format */
export const download = (room, id, format) => api.keep(`/${room}/${id}/export?format=${format}`);
