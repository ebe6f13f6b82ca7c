// The lorebook that is open: its entries, which of them is looked at and which are chosen, changes one after the other.
// Knows no view.
// @ts-check
import { computed, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { newLine } from "./line.js";
import { tell, tellError } from "./toasts.js";

/** @import { Entry, Lorebook } from "../types.d.ts" */

export const book = signal(/** @type {Lorebook | null} */ (null));
export const failure = signal(/** @type {Error | null} */ (null));
/** The uid of the entry that is looked at. */
export const looked = signal("");
export const chosen = signal(/** @type {Set<string>} */ (new Set()));
export const words = signal("");
/** Raised when fields have to show what the studio says in place of what they hold. */
export const renewed = signal(0);

export const entries = computed(() => book.value?.entries ?? []);
export const found = computed(() => {
  const wanted = words.value.trim().toLocaleLowerCase();
  return wanted ? entries.value.filter((entry) => textOf(entry).toLocaleLowerCase().includes(wanted)) : entries.value;
});

/** @param {Entry} entry */
const textOf = ({ comment, key, keysecondary, content }) => [comment, ...(key ?? []), ...(keysecondary ?? []), content].join("\n");

/** @param {Entry} entry */
export const nameOf = (entry) => entry.comment || (entry.key ?? []).join(", ") || t("web.lore.unnamed");

const inLine = newLine();
let wanted = ""; // the one that is being looked at

/** @param {string} id */
const pathOf = (id) => `/lorebooks/${encodeURIComponent(id)}`;

/** @param {string} id */
export async function openBook(id) {
  wanted = id;
  book.value = null;
  failure.value = null;
  looked.value = "";
  chosen.value = new Set();
  words.value = "";
  try {
    await inLine(async () => null); // what was changed in the one before is there
    const got = await api.get(pathOf(id));
    if (wanted !== id) return;
    book.value = got;
    looked.value = String(entries.value[0]?.uid ?? "");
  } catch (error) {
    if (wanted === id) failure.value = /** @type {Error} */ (error);
  }
}

/**
 * One change after the other, each of the book that was open when it was asked for.
 * @param {(path: string, now: Lorebook) => Promise<Lorebook>} ask told how the book is when it is this change's turn
 * @param {string} [id] another book
 */
function change(ask, id = book.value?.id ?? "") {
  const open = () => (book.value?.id === id ? book.value : null);
  return inLine(async () => {
    try {
      const after = await ask(pathOf(id), open() ?? (await api.get(pathOf(id))));
      if (open()) book.value = { ...open(), ...after };
      return after;
    } catch (error) {
      tellError(error);
      const now = await api.get(pathOf(id)).catch(() => null); // somebody else changed it meanwhile: what is typed stays typed
      if (now && open()) book.value = now;
      return null;
    }
  });
}

/** @param {(now: Lorebook) => Partial<Lorebook>} fields its name, or where it holds, out of the book as it then is */
export const changeBook = (fields) => change((path, now) => api.patch(path, { revision: now.revision, ...fields(now) }));

/** @param {string} uid @param {Record<string, any> | ((entry: any) => Record<string, any>)} fields or what they are made of the entry as it then is */
export const save = (uid, fields) =>
  change((path, now) => {
    const given = typeof fields === "function" ? fields(now.entries?.find((entry) => String(entry.uid) === uid)) : fields;
    return api.patch(`${path}/entries/${encodeURIComponent(uid)}`, { revision: now.revision, fields: given });
  });

/** @param {Record<string, any>} [fields] */
export async function add(fields = {}) {
  const before = looked.value;
  const after = await change((path, { revision }) => api.post(`${path}/entries`, { revision, fields }));
  if (after && looked.value === before) looked.value = String(/** @type {any} */ (after).entry);
}

/** @param {string[]} uids @param {Record<string, any>} fields */
export const mark = (uids, fields) => change((path, { revision }) => api.post(`${path}/mark`, { revision, uids, fields }));

/** @param {string[]} uids */
export async function cut(uids) {
  const id = book.value?.id ?? "";
  const order = entries.value.map((entry) => String(entry.uid));
  const gone = entries.value.filter((entry) => uids.includes(String(entry.uid)));
  const next = entries.value[entries.value.findIndex((entry) => uids.includes(String(entry.uid))) + uids.length];
  if (!(await change((path, { revision }) => api.post(`${path}/mark`, { revision, uids, remove: true })))) return;
  chosen.value = new Set([...chosen.value].filter((uid) => !uids.includes(uid)));
  if (uids.includes(looked.value)) looked.value = String((next ?? entries.value.at(-1))?.uid ?? "");
  tell(t("web.lore.cut_done", { count: gone.length }), { action: { label: t("web.undo"), run: () => putBack(id, gone, order) } });
}

/** Entries that were cut come back where they stood, under new numbers. @param {string} id of their book @param {Entry[]} gone @param {string[]} order */
async function putBack(id, gone, order) {
  const renamed = new Map();
  for (const { uid, ...fields } of gone) {
    const after = await change((path, { revision }) => api.post(`${path}/entries`, { revision, fields }), id);
    if (after) renamed.set(String(uid), String(/** @type {any} */ (after).entry));
  }
  await change((path, now) => {
    const there = (now.entries ?? []).map((entry) => String(entry.uid));
    return api.put(`${path}/order`, { revision: now.revision, uids: order.map((uid) => renamed.get(uid) ?? uid).filter((uid) => there.includes(uid)) });
  }, id);
}

/** @param {string[]} uids */
const sort = (uids) => change((path, { revision }) => api.put(`${path}/order`, { revision, uids }));

/** One entry takes another place in the list. @param {string} uid @param {number} to */
export function move(uid, to) {
  const uids = entries.value.map((entry) => String(entry.uid)).filter((other) => other !== uid);
  uids.splice(Math.max(0, Math.min(to, uids.length)), 0, uid);
  return sort(uids);
}

/** @param {"comment" | "order"} by */
export function sortBy(by) {
  const rows = [...entries.value];
  rows.sort(by === "order" ? (a, b) => (b.order ?? 100) - (a.order ?? 100) : (a, b) => nameOf(a).localeCompare(nameOf(b)));
  return sort(rows.map((entry) => String(entry.uid)));
}

/** @param {Entry} entry */
export function copy(entry) {
  const { uid: _, ...fields } = entry;
  return add({ ...fields, comment: t("web.card.copy_name", { name: nameOf(entry) }) });
}
