// The open chat: its state and a window onto its path. Changes go to the studio with the revision that was seen;
// what comes back is what is shown. Knows no view.
// @ts-check
import { batch, computed, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { askBeforeLeaving } from "./leaving.js";
import { once } from "./line.js";
import { tell, tellError } from "./toasts.js";

/** @import { Change, Chat, Message } from "../types.d.ts" */
/** @typedef {{start: number, messages: Message[], total: number}} Page */

const PAGE = 50;
const OPENED = 20; // what is seen at once, and some to scroll into; early.js asks for as many
const MOUNTED = 100; // messages that are on the page at a time: the document stays small however long the chat is
const EMPTY = { start: 0, messages: [], total: 0 };

export const chat = signal(/** @type {Chat | null} */ (null));
export const page = signal(/** @type {Page} */ (EMPTY));
export const failure = signal(/** @type {Error | null} */ (null));
/** The message that is being edited, with the text as typed so far. */
export const editing = signal(/** @type {{id: string, text: string} | null} */ (null));
/** Raised when the list should move: to its start, its end, or the focus to a message. */
export const wish = signal(/** @type {{to: "start" | "end" | string, n: number}} */ ({ to: "end", n: 0 }));
export const atEnd = computed(() => page.value.start + page.value.messages.length >= page.value.total);

let wanted = "";
let opening = Promise.resolve(); // reading that chat
let changes = 0; // own changes under way
let inLine = 0; // own changes that wait for those before them
let heard = 0; // the newest revision that another window announced
let missed = false; // something was announced while the chat was still being read
let queue = Promise.resolve(/** @type {any} */ (null));

/** @param {string} to */
export const scrollTo = (to) => (wish.value = { to, n: wish.value.n + 1 });

/** Show a chat; one that is shown already is not read again, unless that failed. @param {string} id */
export function open(id) {
  if (id === wanted && !failure.value) return opening;
  wanted = id;
  batch(() => {
    chat.value = null;
    page.value = EMPTY;
    failure.value = null;
    editing.value = null;
    scrollTo("end"); // where the last one was shown is no place in this one
  });
  heard = 0;
  missed = false;
  return (opening = reload(OPENED));
}

/** When the chat that is being opened is read: whether it is this one. Nobody leaves what waits for it unasked. @param {string} id */
export async function whenOpened(id) {
  if (chat.value?.id === id) return true;
  inLine += 1;
  await opening;
  inLine -= 1;
  return chat.value?.id === id;
}

export function close() {
  wanted = "";
  chat.value = null;
  page.value = EMPTY;
}

/** Read the chat and the end of its path again. @param {number} [count] of messages */
export async function reload(count = PAGE) {
  const id = wanted;
  if (!id) return;
  try {
    const asked = api.get(`/chats/${id}`);
    await read(`limit=${count}`, await Promise.all([asked, fetchPage("", count)]));
    failure.value = null;
    if (missed) await catchUp(true);
  } catch (error) {
    if (id === wanted) failure.value = /** @type {Error} */ (error);
  }
}

/** Show a message where it is: the path is left as it is, or goes through it, and the list moves there. @param {string} id */
export async function goTo(id) {
  if (!page.value.messages.some((message) => message.id === id) && !(await showAround(id))) {
    if (!(await showMessage(id)) || !(await showAround(id))) return;
  }
  scrollTo(id);
}

/** The stretch of the path around a message; false where it is not on the path. @param {string} id */
async function showAround(id) {
  if (page.value.messages.some((message) => message.id === id)) return true;
  const now = chat.value;
  if (!now) return false;
  try {
    await read(`limit=${PAGE}&around=${id}`, [now, await fetchPage(`around=${id}`)]);
    return true;
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 404) return false;
    throw error;
  }
}

// ── the window ──────────────────────────────────────────────────────────────────────────────────────

let paging = false;

/** @param {() => Promise<Page | null>} read */
async function turnPage(read) {
  if (paging || !chat.value) return;
  paging = true;
  const seen = page.value;
  try {
    const next = await read();
    if (next && page.value === seen) page.value = next;
  } catch (error) {
    tellError(error);
  } finally {
    paging = false;
  }
}

/** @typedef {{messages: Message[], total: number, start: number, revision: number}} Stretch */

/** @param {string} query @param {number} [count] @returns {Promise<Stretch>} */
const fetchPage = (query, count = PAGE) => api.get(`/chats/${wanted}/messages?limit=${count}&${query}`);

/** @param {Stretch} got @returns {Page} */
const stretchOf = ({ start, messages, total }) => ({ start, messages, total });

export function older() {
  const { start, messages } = page.value;
  if (start === 0 || !messages.length) return undefined;
  return turnPage(async () => {
    const got = await fetchPage(`before=${messages[0].id}`);
    return { start: start - got.messages.length, messages: [...got.messages, ...messages].slice(0, MOUNTED), total: page.value.total };
  });
}

export function newer() {
  if (atEnd.value) return undefined;
  return turnPage(async () => {
    const { start, messages } = page.value;
    const got = await fetchPage(`offset=${start + messages.length}`);
    const all = [...messages, ...got.messages];
    const dropped = Math.max(0, all.length - MOUNTED);
    return { start: start + dropped, messages: all.slice(dropped), total: got.total };
  });
}

export async function toStart() {
  if (page.value.start > 0)
    await turnPage(async () => {
      const got = await fetchPage("offset=0");
      return { start: 0, messages: got.messages, total: got.total };
    });
  scrollTo("start");
}

export async function toEnd() {
  if (!atEnd.value) await reload();
  scrollTo("end");
}

// ── changes ─────────────────────────────────────────────────────────────────────────────────────────

/** Take in what a change answered. @param {Change} change */
export async function apply(change) {
  if (change.chat.id !== wanted || isOld(change.chat)) return;
  const messages = change.message && splice(change.chat, change.message);
  if (messages) show(change.chat, { start: page.value.start, messages, total: change.chat.message_count });
  else await refresh(change.chat);
}

/** @param {Chat} now @param {Page} stretch */
function show(now, stretch) {
  batch(() => {
    chat.value = now;
    page.value = stretch;
  });
}

/** The loaded messages with one more or one replaced; null when the path has to be read again. @param {Chat} now @param {Message} message */
function splice(now, message) {
  const { start, messages } = page.value;
  const known = messages.findIndex((other) => other.id === message.id);
  const samePath = now.message_count === page.value.total && now.head_id === chat.value?.head_id;
  if (known >= 0 && samePath) return messages.with(known, message);
  if (now.head_id !== message.id) return null;
  const parent = messages.findIndex((other) => other.id === message.parent_id);
  if (parent < 0 && !(start === 0 && !message.parent_id)) return null;
  return [...messages.slice(0, parent + 1), message];
}

/** Read the stretch on the screen again, or the end of the path when it reached it. @param {Chat} now */
async function refresh(now) {
  const { start, messages } = page.value;
  const limit = Math.min(Math.max(messages.length, PAGE), MOUNTED);
  const inside = !atEnd.value && start + messages.length < now.message_count;
  const query = `limit=${limit}${inside ? `&offset=${start}` : ""}`;
  await read(query, [now, await api.get(`/chats/${now.id}/messages?${query}`)]);
}

/**
 * Show a chat with a stretch of its path. The two are read one after the other, and the chat may change in between:
 * then both are read again. What has become older than what is shown meanwhile is not shown.
 * @param {string} query
 * @param {[Chat, Stretch]} first
 */
async function read(query, [now, got]) {
  while (now.id === wanted && got.revision !== now.revision) {
    now = await api.get(`/chats/${now.id}`);
    got = await api.get(`/chats/${now.id}/messages?${query}`);
  }
  if (now.id === wanted && !isOld(now)) show(now, stretchOf(got));
}

/** @param {Chat} now */
const isOld = (now) => chat.value?.id === now.id && now.revision < chat.value.revision;

/**
 * Change the chat: one change after the other, each with the revision that the one before has brought. A refusal is
 * told, a stale view is read again and nothing that was typed is touched. Answers null when it did not happen.
 * @template Answer
 * @param {(revision: number, id: string, now: Chat) => Promise<Answer>} ask
 * @param {(answer: Answer) => unknown} take
 * @param {(error: unknown) => void} [refused]
 * @returns {Promise<Answer | null>}
 */
export function change(ask, take, refused = tellError) {
  const id = wanted;
  inLine += 1;
  queue = queue.then(async () => {
    inLine -= 1;
    if (!id) return null;
    const isHere = () => id === wanted;
    changes += 1;
    try {
      const now = (isHere() && chat.value) || (await api.get(`/chats/${id}`)); // who left before its turn has changed it all the same
      const answer = await ask(now.revision, id, now);
      if (isHere()) await take(answer); // else it is in the chat when one comes back
      return answer;
    } catch (error) {
      const status = error instanceof api.ApiError ? error.status : 0;
      if (status === 404 && !isHere()) return null; // it was thrown away meanwhile
      (status === 409 ? tellError : refused)(error);
      if (status === 409 && isHere()) await reload();
      return null;
    } finally {
      changes -= 1;
      await catchUp();
    }
  });
  return queue;
}

askBeforeLeaving(() => inLine > 0);

/** Whether all of these values are so now. @param {any} now @param {Record<string, any>} values */
export const holds = (now, values) => Object.entries(values).every(([name, value]) => JSON.stringify(now?.[name]) === JSON.stringify(value));

/** @param {(revision: number, id: string) => Promise<Change>} ask */
export const changeTree = (ask) => change(ask, apply);

/** What is so already is not sent. @param {(now: Chat) => Partial<Chat>} values out of the chat as it is when it is this change's turn */
export function changeChat(values) {
  const ask = async (/** @type {number} */ revision, /** @type {string} */ id, /** @type {Chat} */ now) => {
    const wanted = values(now);
    return holds(now, wanted) ? now : api.patch(`/chats/${id}`, { revision, ...wanted });
  };
  return change(ask, (now) => now.id === wanted && (chat.value = now));
}

/** @param {string} id @param {string} text */
export const editMessage = (id, text) =>
  changeTree((revision, chatId) => api.patch(`/chats/${chatId}/messages/${id}`, { revision, text }));

/** @param {string} id @param {string} [text] */
export const branch = (id, text) =>
  changeTree((revision, chatId) => api.post(`/chats/${chatId}/messages/${id}/branch`, text === undefined ? { revision } : { revision, text }));

/** @param {string} id */
export const showMessage = (id) => changeTree((revision, chatId) => api.post(`/chats/${chatId}/head`, { revision, message_id: id }));

export const undo = () => changeTree((revision, id) => api.post(`/chats/${id}/undo`, { revision }));

/** The way back to offer: into the chat that is open now, whatever is open by then. */
export function undoHere() {
  const id = wanted;
  return () => (id === wanted ? undo() : api.get(`/chats/${id}`).then(({ revision }) => api.post(`/chats/${id}/undo`, { revision })).catch(tellError));
}

/** Values of the chat that is open now, to be put back there whatever is open by then. @param {Partial<Chat>} values */
export function restoreHere(values) {
  const id = wanted;
  return () => (id === wanted ? changeChat(() => values) : api.get(`/chats/${id}`).then(({ revision }) => api.patch(`/chats/${id}`, { revision, ...values })).catch(tellError));
}

export const redo = () => changeTree((revision, id) => api.post(`/chats/${id}/redo`, { revision }));

/** With all that follows, or alone. @param {Message} message @param {boolean} [alone] */
export function deleteMessage(message, alone = false) {
  const remove = () => changeTree((revision, id) => api.remove(`/chats/${id}/messages/${message.id}?revision=${revision}${alone ? "&alone=true" : ""}`));
  return onceTold(`delete ${message.id}`, remove, "web.message.deleted");
}

/** @param {Message} message */
export const branchHere = (message) => onceTold(`branch ${message.id}`, () => branch(message.id), "web.message.branched");

/** A key that is held, or pressed twice, does it once, and the way back is offered once. @param {string} name @param {() => Promise<any>} work @param {string} words */
function onceTold(name, work, words) {
  const run = undoHere();
  return once(name, async () => {
    if (await work()) tell(t(words), { action: { label: t("web.undo"), run } });
  });
}

// ── other windows ───────────────────────────────────────────────────────────────────────────────────

/** The studio says that a chat has changed. @param {{id: string, revision: number, deleted: boolean}} news */
export function chatChanged(news) {
  if (news.id !== wanted || news.deleted) return;
  heard = Math.max(heard, news.revision);
  catchUp(true);
}

/** Read the chat again if another window has changed it. @param {boolean} [announced] */
export async function catchUp(announced = false) {
  const now = chat.value;
  missed = !now;
  if (changes || isWriting() || !now) return;
  if (!announced && heard <= now.revision) return;
  const fresh = await api.get(`/chats/${wanted}`).catch(() => null);
  if (!fresh || fresh.id !== wanted || changes || isWriting() || isOld(fresh)) return;
  const moved = fresh.revision !== chat.value?.revision || fresh.turn_id !== chat.value?.turn_id;
  if (!moved) return;
  const told = editing.value && fresh.head_id !== chat.value?.head_id;
  await refresh(fresh).catch(() => (missed = true)); // the studio went away: read again when it is back
  if (told) tell(t("web.chat.changed_elsewhere"));
}

let isWriting = () => false;
/** The turn room tells how to know whether a reply is being written here. @param {() => boolean} ask */
export const askWriting = (ask) => (isWriting = ask);
