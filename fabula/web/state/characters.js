// The library of characters: searched, page by page, filled from files. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { tell, tellError } from "./toasts.js";

/** @import { Character } from "../types.d.ts" */

const PAGE = 60;

export const characters = signal(/** @type {Character[] | null} */ (null));
export const total = signal(0);
export const words = signal("");
export const failure = signal(/** @type {Error | null} */ (null));
/** How many files of how many have been read. */
export const importing = signal(/** @type {{done: number, total: number} | null} */ (null));
let asked = 0; // the answer to an older question is not shown

/** @param {number} [offset] */
async function load(offset = 0) {
  const question = (asked += 1);
  const sort = words.value ? "" : "&sort=updated";
  try {
    const page = await api.get(`/characters?limit=${PAGE}&offset=${offset}&words=${encodeURIComponent(words.value)}${sort}`);
    if (question !== asked) return;
    characters.value = offset ? [...(characters.value ?? []), ...page.characters] : page.characters;
    total.value = page.total;
    failure.value = null;
  } catch (error) {
    if (question === asked) failure.value = /** @type {Error} */ (error);
  }
}

export const loadCharacters = () => load();
export const loadMore = () => load(characters.value?.length ?? 0);

/** @param {string} text */
export function searchFor(text) {
  words.value = text;
  return load();
}

/** Take characters from files; each that cannot be read is told. @param {File[]} files */
export async function takeFiles(files) {
  const names = [];
  for (const [done, file] of files.entries()) {
    importing.value = { done, total: files.length };
    try {
      names.push((await api.upload(`/characters/import?name=${encodeURIComponent(file.name)}`, file)).name);
    } catch (error) {
      tellError(error);
    }
  }
  importing.value = null;
  if (names.length === 1) tell(t("web.characters.imported", { name: names[0] }));
  if (names.length > 1) tell(t("web.characters.imported_many", { count: names.length }));
  words.value = "";
  await load();
}

/** Into the trash, with a way back. @param {Character} character */
export async function removeCharacter({ id, name }) {
  const mark = (/** @type {boolean} */ trashed) => api.post("/characters/mark", { ids: [id], trashed }).then(loadCharacters, tellError);
  await mark(true);
  tell(t("web.characters.deleted", { name }), { action: { label: t("web.undo"), run: () => mark(false) } });
}

/** @param {Character} character */
export const pictureOf = ({ id, picture }) => (picture ? api.addressOf(`/characters/${encodeURIComponent(id)}/picture?v=${picture}`) : "");
