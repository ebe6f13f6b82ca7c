// The library of characters: a list as long as it may be, of which only what is near the screen is fetched; filters,
// chosen ones, marks with a way back. Knows no view.
// @ts-check
import { computed, effect, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { newLine } from "./line.js";
import { tell, tellError } from "./toasts.js";

/** @import { Character } from "../types.d.ts" */
/** @typedef {{words: string, tags: string[], folder: string | null, favourite: boolean, trashed: boolean, sort: "name" | "updated" | "created"}} Filter */

const PAGE = 120;
const MOST = 500; // of one request
const SHAPE = "fabula.gallery";
const EVERYTHING = /** @type {Filter} */ ({ words: "", tags: [], folder: null, favourite: false, trashed: false, sort: "updated" });

export const filter = signal({ ...EVERYTHING });
export const total = signal(/** @type {number | null} */ (null));
export const pages = signal(/** @type {Map<number, Character[]>} */ (new Map()));
export const drawers = signal(/** @type {{tags: Record<string, number>, folders: Record<string, number>}} */ ({ tags: {}, folders: {} }));
export const failure = signal(/** @type {Error | null} */ (null));
export const chosen = signal(/** @type {Set<string>} */ (new Set()));
export const isFiltered = computed(() => {
  const { words, tags, folder, favourite, trashed } = filter.value;
  return Boolean(words || tags.length || folder !== null || favourite || trashed);
});

/** Those who are asked into a new group. */
export const grouping = signal(/** @type {string[] | null} */ (null));
/** "grid" or "list", as this browser likes it. */
export const shape = signal(localStorage.getItem(SHAPE) ?? "grid");
effect(() => localStorage.setItem(SHAPE, shape.value));

let question = 0; // the answer to an older question is not shown
const asked = new Set(); // pages on their way
const inLine = newLine();
let marking = /** @type {Promise<any>} */ (Promise.resolve()); // marks on their way

/** @param {Filter} wanted @param {boolean} [sorted] */
function queryOf({ words, tags, folder, favourite, trashed, sort }, sorted = true) {
  const query = new URLSearchParams({ words, trashed: String(trashed) });
  for (const tag of tags) query.append("tag", tag);
  if (folder !== null) query.set("folder", folder);
  if (favourite) query.set("favourite", "true");
  if (sorted) query.set("sort", sort);
  return query;
}

/** The character at a place of the list, once it is here. @param {number} place */
export const at = (place) => pages.value.get(Math.floor(place / PAGE))?.[place % PAGE];

/** Fetches what the places from `first` to before `last` need. @param {number} first @param {number} last */
export function need(first, last) {
  for (let page = Math.floor(first / PAGE); page * PAGE < last; page += 1) {
    if (!pages.value.has(page) && !asked.has(page)) fetchPage(page);
  }
}

/** @param {number} page */
async function fetchPage(page) {
  const mine = question;
  asked.add(page);
  try {
    const got = await api.get(`/characters?${queryOf(filter.value)}&limit=${PAGE}&offset=${page * PAGE}`);
    if (mine !== question) return;
    pages.value = new Map(pages.value).set(page, got.characters);
    total.value = got.total;
    failure.value = null;
  } catch (error) {
    if (mine === question) failure.value = /** @type {Error} */ (error);
  } finally {
    if (mine === question) asked.delete(page);
  }
}

/** From the beginning; what is shown stays until the answer is there. */
export async function loadCharacters() {
  const mine = (question += 1);
  asked.clear();
  const wanted = queryOf(filter.value);
  try {
    await marking; // what was marked just now is looked for with its marks
    const got = await api.get(`/characters?${wanted}&limit=${PAGE}`);
    if (mine !== question) return;
    pages.value = new Map([[0, got.characters]]);
    total.value = got.total;
    failure.value = null;
  } catch (error) {
    if (mine === question) failure.value = /** @type {Error} */ (error);
  }
}

export const loadDrawers = () => api.get("/characters/tags").then((got) => (drawers.value = got), tellError);

/** @param {Partial<Filter>} values */
export function show(values) {
  filter.value = { ...filter.value, ...values };
  chosen.value = new Set();
  return loadCharacters();
}

export const showAll = () => show({ ...EVERYTHING, sort: filter.value.sort });

// ── chosen ──────────────────────────────────────────────────────────────────────────────────────────

/** @param {string[]} ids @param {boolean} on */
export function choose(ids, on) {
  const next = new Set(chosen.value);
  for (const id of ids) if (on) next.add(id);
    else next.delete(id);
  chosen.value = next;
}

export const chooseNone = () => (chosen.value = new Set());

/** What is done with those that are chosen now ends their choice; others that are chosen meanwhile stay so. */
function endOfChoice() {
  const before = chosen.value;
  return () => void (chosen.value === before && chooseNone());
}

export async function chooseAll() {
  const query = queryOf(filter.value, false);
  await api.get(`/characters/ids?${query}`).then((got) => (chosen.value = new Set(got.ids)), tellError);
}

/** Characters by id: those on the screen are known, the others of the list are fetched. @param {Set<string>} ids @returns {Promise<Character[]>} */
async function rowsOf(ids) {
  const known = new Map([...pages.value.values()].flat().map((one) => [one.id, one]));
  if ([...ids].some((id) => !known.has(id))) {
    for (let offset = 0; offset < (total.value ?? 0); offset += MOST) {
      const got = await api.get(`/characters?${queryOf(filter.value)}&limit=${MOST}&offset=${offset}`);
      for (const one of got.characters) known.set(one.id, one);
    }
  }
  return [...ids].flatMap((id) => known.get(id) ?? []);
}

// ── marks ───────────────────────────────────────────────────────────────────────────────────────────

/** @typedef {{folder?: string, favourite?: boolean, trashed?: boolean, add_tags?: string[], remove_tags?: string[]}} Marks */

/** @param {string[]} ids @param {Marks} marks @returns {Promise<any>} */
function mark(ids, marks) {
  if (!ids.length) return Promise.resolve();
  const answer = inLine(() => api.post("/characters/mark", { ids, ...marks }));
  marking = Promise.allSettled([marking, answer]);
  return answer;
}

const refresh = () => Promise.all([loadCharacters(), loadDrawers()]);

/** What takes marks back, for those that they changed. @param {Character[]} rows @param {Marks} marks @returns {[string[], Marks][]} */
function undoing(rows, { folder, favourite, trashed, add_tags = [], remove_tags = [] }) {
  const back = /** @type {[string[], Marks][]} */ ([]);
  const idsOf = (/** @type {(one: Character) => boolean} */ fits) => rows.filter(fits).map(({ id }) => id);
  if (folder !== undefined) for (const before of new Set(rows.map((one) => one.folder))) back.push([idsOf((one) => one.folder === before), { folder: before }]);
  if (favourite !== undefined) back.push([idsOf((one) => one.favourite !== favourite), { favourite: !favourite }]);
  if (trashed !== undefined) back.push([idsOf(() => true), { trashed: !trashed }]);
  for (const tag of add_tags) back.push([idsOf((one) => !one.tags.includes(tag)), { remove_tags: [tag] }]);
  for (const tag of remove_tags) back.push([idsOf((one) => one.tags.includes(tag)), { add_tags: [tag] }]);
  return back;
}

/** Changes many, and offers the way back. @param {Set<string>} ids @param {Marks} marks @param {(count: number) => string} words */
export async function markMany(ids, marks, words) {
  const end = endOfChoice();
  try {
    const rows = await rowsOf(ids);
    await mark([...ids], marks);
    end();
    await refresh();
    const back = undoing(rows, marks);
    const run = () => Promise.all(back.map(([some, before]) => mark(some, before))).then(refresh, tellError);
    tell(words(ids.size), { action: { label: t("web.undo"), run } });
  } catch (error) {
    tellError(error);
  }
}

/** @param {Set<string>} ids @param {boolean} trashed */
export const trash = (ids, trashed) => markMany(ids, { trashed }, (count) => t(trashed ? "web.characters.trashed" : "web.characters.restored", { count }));

/** @param {Character} one */
export async function toggleFavourite({ id, favourite }) {
  const as = (/** @type {boolean} */ on) => {
    const changed = (/** @type {Character[]} */ rows) => rows.map((row) => (row.id === id ? { ...row, favourite: on } : row));
    pages.value = new Map([...pages.value].map(([page, rows]) => [page, changed(rows)]));
  };
  as(!favourite); // at once: who presses twice means back
  await mark([id], { favourite: !favourite }).catch((error) => (as(favourite), tellError(error)));
}

/** For good. @param {string[]} ids */
export async function erase(ids) {
  const end = endOfChoice();
  await api.post("/characters/erase", { ids }).catch(tellError);
  end();
  await refresh();
}

/** @param {string[]} ids @param {"png" | "json" | "charx"} format */
export async function exportMany(ids, format) {
  try {
    await api.download("/characters/export", { ids, format }, "characters.zip");
  } catch (error) {
    tellError(error);
  }
}

// ── pictures ────────────────────────────────────────────────────────────────────────────────────────

/** @param {{id: string, picture: string}} one @param {number} [size] px of the longer side */
export const pictureOf = ({ id, picture }, size = 384) => (picture ? api.addressOf(`/characters/${encodeURIComponent(id)}/thumbnail?size=${size}&v=${picture}`) : "");
