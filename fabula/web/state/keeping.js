// Chats as things to keep: found by their words and by marks, marked many at a time, in and out as files, trash.
// Knows no view.
// @ts-check
import { computed, effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { chats, loadChats, titleOf } from "./chats.js";
import { listenFor } from "./events.js";
import { go, route } from "./route.js";
import { tell, tellError } from "./toasts.js";

/** @import { Hit, ListedChat } from "../types.d.ts" */

/**
 * @typedef {object} Filter
 * @property {string | null} folder null = any, "" = in none
 * @property {string} tag
 * @property {string} character
 * @property {string} since a day, "" = any
 * @property {string} until
 * @property {boolean} favourite
 * @property {boolean} trashed
 */

/** @type {Filter} */
export const NO_FILTER = { folder: null, tag: "", character: "", since: "", until: "", favourite: false, trashed: false };
const PAGE = 50;
const HITS = 20;
const TYPING_MS = 150; // between two letters nothing is asked
const DAY_S = 86_400;

export const words = signal("");
export const filter = signal(NO_FILTER);
/** What was found: the chats by title and marks, the messages by their words. */
export const results = signal(/** @type {{chats: ListedChat[], total: number, hits: Hit[], more: boolean} | null} */ (null));
export const failure = signal(/** @type {any} */ (null));
/** Folders and tags in use. */
export const drawers = signal({ folders: /** @type {Record<string, number>} */ ({}), tags: /** @type {Record<string, number>} */ ({}) });
/** Ids of chats that are chosen; null = nobody chooses. */
export const chosen = signal(/** @type {Set<string> | null} */ (null));

export const isFiltered = computed(() => Object.entries(filter.value).some(([name, value]) => value !== NO_FILTER[/** @type {"tag"} */ (name)]));
export const isSearching = computed(() => Boolean(words.value.trim()) || isFiltered.value);
/** The chats that are listed now. */
export const listed = computed(() => (isSearching.value ? (results.value?.chats ?? []) : (chats.value ?? [])));

let asked = 0;
let timer = 0;

effect(() => {
  void [words.value, filter.value];
  clearTimeout(timer);
  if (!isSearching.value) results.value = null;
  else timer = setTimeout(() => ask(), TYPING_MS);
});

// What changes while it is looked at is looked for again.
effect(() => {
  if (chats.value) untracked(() => results.value && ask());
});

listenFor("chats", () => loadChats());

/** The marks as the API asks for them; days begin and end where the reader is. */
function marksOf() {
  const { folder, tag, character, favourite } = filter.value;
  const query = new URLSearchParams();
  if (folder !== null) query.set("folder", folder);
  if (tag) query.set("tag", tag);
  if (character) query.set("character_id", character);
  if (favourite) query.set("favourite", "true");
  return query;
}

/** @param {string} day @param {number} more seconds */
const secondsOf = (day, more = 0) => String(new Date(`${day}T00:00`).getTime() / 1000 + more);

/** @param {number} [number] of the last message that was seen, for the next page */
function hitsQuery(number) {
  const { since, until } = filter.value;
  const query = marksOf();
  query.set("words", words.value.trim());
  query.set("limit", String(HITS));
  if (since) query.set("since", secondsOf(since));
  if (until) query.set("until", secondsOf(until, DAY_S));
  if (number !== undefined) query.set("before", String(number));
  return `/chats/search?${query}`;
}

/** @param {number} offset */
function listQuery(offset) {
  const query = marksOf();
  if (words.value.trim()) query.set("words", words.value.trim());
  if (filter.value.trashed) query.set("trashed", "true");
  query.set("limit", String(PAGE));
  query.set("offset", String(offset));
  return query;
}

export async function ask() {
  const question = (asked += 1);
  const wantsHits = words.value.trim() && !filter.value.trashed;
  const dated = filter.value.since || filter.value.until;
  try {
    const list = dated && wantsHits ? { chats: [], total: 0 } : api.get(`/chats?${listQuery(0)}`);
    const [found, said] = await Promise.all([list, wantsHits ? api.get(hitsQuery()) : { hits: [] }]);
    if (question !== asked) return;
    results.value = { chats: dated ? within(found.chats) : found.chats, total: found.total, hits: said.hits, more: said.hits.length === HITS };
    failure.value = null;
  } catch (error) {
    if (question === asked) failure.value = error;
  }
}

/** Those that were last changed in the days that are wanted. @param {ListedChat[]} list */
function within(list) {
  const { since, until } = filter.value;
  const [from, to] = [since ? Number(secondsOf(since)) : 0, until ? Number(secondsOf(until, DAY_S)) : Infinity];
  return list.filter(({ updated_at: at }) => at >= from && at < to);
}

export async function moreHits() {
  const now = results.value;
  const last = now?.hits.at(-1);
  if (!now || !last) return;
  const said = await api.get(hitsQuery(last.number)).catch((error) => (tellError(error), null));
  if (said && results.value === now) results.value = { ...now, hits: [...now.hits, ...said.hits], more: said.hits.length === HITS };
}

export async function moreChats() {
  const now = results.value;
  if (!now) return;
  const found = await api.get(`/chats?${listQuery(now.chats.length)}`).catch((error) => (tellError(error), null));
  if (found && results.value === now) results.value = { ...now, chats: [...now.chats, ...found.chats] };
}

export async function loadDrawers() {
  await api.get("/chats/tags").then((got) => (drawers.value = got), tellError);
}

// ── marks ───────────────────────────────────────────────────────────────────────────────────────────

/** @param {string} id */
export function choose(id) {
  const next = new Set(chosen.value);
  if (!next.delete(id)) next.add(id);
  chosen.value = next;
}

/** Everything that the filter finds, also what is not on the screen. */
export async function chooseAll() {
  const query = listQuery(0);
  const got = await api.get(`/chats/ids?${query}`).catch((error) => (tellError(error), null));
  if (got) chosen.value = new Set(got.ids);
}

/** @typedef {{folder?: string, favourite?: boolean, trashed?: boolean, add_tags?: string[], remove_tags?: string[]}} Marks */

/** @param {string[]} ids @param {Marks} marks */
export async function mark(ids, marks) {
  try {
    await api.post("/chats/mark", { ids, ...marks });
  } catch (error) {
    return tellError(error);
  }
  await Promise.all([loadChats(), loadDrawers()]);
  if (results.value) await ask();
  return true;
}

/** Into the trash, with a way back. @param {string[]} ids */
export async function throwAway(ids) {
  const before = chosen.value;
  if (!(await mark(ids, { trashed: true }))) return;
  if (ids.includes(route.value.id)) go("#/chat");
  if (before && chosen.value === before) chosen.value = new Set(); // else others have been chosen meanwhile
  tell(t("web.keep.thrown_away", { count: ids.length }), { action: { label: t("web.undo"), run: () => mark(ids, { trashed: false }) } });
}

/** For good: nothing brings them back. @param {string[]} ids */
export async function erase(ids) {
  const before = chosen.value;
  for (const id of ids) await api.remove(`/chats/${id}?forever=true`).catch(tellError);
  if (before && chosen.value === before) chosen.value = new Set();
  await loadChats();
  await ask();
}

/** @param {ListedChat} chat */
export async function bringBack(chat) {
  if (await mark([chat.id], { trashed: false })) tell(t("web.keep.brought_back", { title: titleOf(chat) }));
}

// ── files ───────────────────────────────────────────────────────────────────────────────────────────

/** Where a chat lies as a file. @param {string} id @param {string} format */
export const fileOf = (id, format) => api.addressOf(`/chats/${encodeURIComponent(id)}/export?format=${format}`);

export const FORMATS = /** @type {const} */ (["jsonl", "markdown", "text", "html"]);
