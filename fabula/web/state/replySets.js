// The sets of quick replies as they are made and edited: one change after the other, each from what the studio has then. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { chat } from "./chat.js";
import { newLine } from "./line.js";
import { loadReplies } from "./replies.js";
import { readStory, setStory } from "./story.js";
import { tell, tellError } from "./toasts.js";

/** @import { Reply, ReplySet } from "./replies.js" */
/** A row that is new has no `at`. @typedef {Partial<Reply> & {key: string}} Row */

/** All there are; each reply with a key of this window's own, which it keeps when it is moved. */
export const sets = signal(/** @type {(Omit<ReplySet, "replies"> & {replies: (Reply & {key: string})[]})[] | null} */ (null));
/** The key of the reply whose fields are open. */
export const opened = signal("");

const inLine = newLine();
let counter = 0;
const newKey = () => `reply-${(counter += 1)}`;
/** @param {string} id */
const path = (id) => `/replies/${encodeURIComponent(id)}`;

let asked = 0; // the answer to an older question is not shown

export async function loadSets() {
  const question = (asked += 1);
  await api.get("/replies").then((got) => question === asked && (sets.value = got.sets.map(keyed)), tellError);
}

/** As it is now, under the keys that its replies had. @param {ReplySet} set */
function keyed(set) {
  const before = sets.value?.find(({ id }) => id === set.id)?.replies ?? [];
  const known = before.length === set.replies.length;
  return { ...set, replies: set.replies.map((reply, at) => ({ ...reply, key: known ? before[at].key : newKey() })) };
}

/** Answers whether it was done; a refusal is told, and what there is read again. @param {() => Promise<unknown>} ask @returns {Promise<boolean>} */
const change = (ask) =>
  inLine(async () => {
    const done = await ask().then(() => true, (error) => (tellError(error), false));
    if (!done) await loadSets();
    await loadReplies(chat.value?.id);
    return done;
  });

/** @param {string} name */
export const makeSet = (name) => change(async () => (await api.post("/replies", { name }), await loadSets()));

/** Its name, where it holds, whether it sends. @param {string} id @param {Partial<ReplySet>} fields */
export const changeSet = (id, fields) => change(() => put(id, fields));

/** @param {string} id @param {Partial<ReplySet>} fields */
async function put(id, fields) {
  const revision = sets.value?.find((set) => set.id === id)?.revision ?? 0;
  const after = await api.patch(path(id), { revision, ...fields });
  sets.value = (sets.value ?? []).map((set) => (set.id === id ? keyed(after) : set));
}

/** Other replies, worked out from those that there are when it is this change's turn. @param {string} id @param {(rows: Row[]) => Row[]} edit */
const changeRows = (id, edit) =>
  change(async () => {
    const rows = edit(sets.value?.find((set) => set.id === id)?.replies ?? []);
    const told = rows.map(({ at = -1, label, title = "", message = "", hidden = false }) => ({ at, label, title, message, hidden }));
    await put(id, /** @type {any} */ ({ replies: told }));
    sets.value = (sets.value ?? []).map((set) => (set.id === id ? { ...set, replies: set.replies.map((reply, at) => ({ ...reply, key: rows[at].key })) } : set));
  });

/** A new one behind the others, open to be written. @param {string} id @param {string} label */
export function addReply(id, label) {
  const key = newKey();
  return changeRows(id, (rows) => [...rows, { key, label }]).then((done) => done && (opened.value = key));
}

/** @param {string} id @param {string} key @param {Partial<Reply>} fields */
export const changeReply = (id, key, fields) => changeRows(id, (rows) => rows.map((row) => (row.key === key ? { ...row, ...fields } : row)));

/** @param {string} id @param {string} key @param {number} by places */
export const moveReply = (id, key, by) =>
  changeRows(id, (rows) => {
    const from = rows.findIndex((row) => row.key === key);
    const others = rows.filter((row) => row.key !== key);
    if (from < 0) return rows;
    others.splice(Math.max(0, from + by), 0, rows[from]);
    return others;
  });

/** @param {string} id @param {Reply & {key: string}} reply */
export async function cutReply(id, { key, label, title, message, hidden }) {
  let place = 0;
  const done = await changeRows(id, (rows) => {
    place = rows.findIndex((row) => row.key === key);
    return rows.filter((row) => row.key !== key);
  });
  if (!done) return;
  const back = (/** @type {Row[]} */ rows) => [...rows.slice(0, place), { key: newKey(), label, title, message, hidden }, ...rows.slice(place)];
  tell(t("web.replies.removed", { name: label }), { action: { label: t("web.undo"), run: () => changeRows(id, back) } });
}

/** @param {ReplySet} set */
export async function removeSet(set) {
  const file = await setFile(set).catch(() => null);
  if (!(await change(async () => (await api.remove(path(set.id)), await loadSets())))) return;
  const back = () => change(() => bringBack(set, file));
  tell(t("web.replies.removed", { name: set.name }), file ? { action: { label: t("web.undo"), run: back } } : {});
}

/** @param {ReplySet} set @param {any} file */
async function bringBack({ name, everywhere }, file) {
  const made = await api.upload(`/replies/import?name=${encodeURIComponent(`${name}.json`)}`, new Blob([JSON.stringify(file)]));
  await loadSets();
  if (!everywhere) await put(made.id, { everywhere });
}

/** @param {File[]} files */
export const takeSets = (files) =>
  change(async () => {
    for (const file of files) await api.upload(`/replies/import?name=${encodeURIComponent(file.name)}`, file).catch(tellError);
    await loadSets();
  });

/** @param {ReplySet} set */
export const setFile = (set) => api.get(`${path(set.id)}/file`);

/** Whether a set that does not hold everywhere holds in the open chat. @param {string} id @param {boolean} on */
export async function choose(id, on) {
  if (chat.value) await readStory(chat.value);
  await setStory(({ replies }) => ({ replies: [...replies.filter((other) => other !== id), ...(on ? [id] : [])] }));
  await loadReplies(chat.value?.id);
}
