// The list of chats: newest first, renamed, deleted with a way back. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { keepAhead, takeAhead } from "./actions.js";
import { lastModel } from "./prefs.js";
import { go, goFromHere, route } from "./route.js";
import { preferredModel, warmUp } from "./system.js";
import { tell, tellError } from "./toasts.js";

/** @import { Chat, ListedChat } from "../types.d.ts" */

const PAGE = 30;

export const chats = signal(/** @type {ListedChat[] | null} */ (null));
export const hasMore = signal(false);
export const failure = signal(/** @type {Error | null} */ (null));
let count = PAGE; // how many the reader has asked to see

/** @param {ListedChat | Chat} chat */
export function titleOf(chat) {
  const preview = "preview" in chat ? chat.preview : "";
  return chat.title || preview || t("web.chats.untitled");
}

let question = 0; // the answer to an older question is not shown
/** The last new one, until the list has been read since. @type {Chat | null} */
let begun = null;

export async function loadChats() {
  const mine = (question += 1);
  const known = begun;
  try {
    const page = await api.get(`/chats?limit=${count}`);
    if (mine !== question) return;
    if (begun === known) begun = null;
    chats.value = page.chats;
    hasMore.value = page.chats.length === count;
    failure.value = null;
  } catch (error) {
    if (mine === question) failure.value = /** @type {Error} */ (error);
  }
}

export async function loadMore() {
  count += PAGE;
  await loadChats();
}

/** Start a chat with a model; an empty chat that is already there is used again. @param {string} [model] */
export const newChat = (model = preferredModel.value) => api.once(`chat with ${model}`, () => inTurn(() => beginWith(model)));

const NEW = "new chat"; // what is typed on the way to it
const inTurn = api.newLine(); // with another model it is another one, which finds the first

/** @param {string} model */
async function beginWith(model) {
  const goThere = goFromHere();
  const end = keepAhead(NEW);
  try {
    const empty = begun ?? (chats.value ?? []).find((chat) => chat.message_count === 0 && !chat.title && !chat.turn_id && !chat.system);
    const made = empty ? reuse(empty, model) : api.post("/chats", { model });
    const [chat, { insertText }] = await Promise.all([made, import("./drafts.js")]);
    begun = chat;
    insertText(chat.id, takeAhead(NEW), "");
    if (model) warmUp(model);
    lastModel.value = model;
    goThere(`#/chat/${chat.id}`);
    void loadChats();
  } catch (error) {
    tellError(error);
  } finally {
    end();
    takeAhead(NEW); // what no chat came of
  }
}

/** Start a chat with a character. @param {string} id @param {string} name what the person is called */
export const talkTo = (id, name) => api.once(`chat with ${id}`, () => beginTalk(id, name));

/** @param {string} id @param {string} name */
async function beginTalk(id, name) {
  const goThere = goFromHere();
  try {
    const model = preferredModel.value;
    const chat = await api.post("/chats", { model, character_id: id, persona: name ? { name, description: "" } : null });
    if (model) warmUp(model);
    goThere(`#/chat/${chat.id}`);
    void loadChats();
  } catch (error) {
    tellError(error);
  }
}

/** What is listed may be older: it is asked whether the chat is still an empty one. @param {ListedChat | Chat} chat @param {string} model @returns {Promise<Chat>} */
async function reuse({ id }, model) {
  const now = await api.get(`/chats/${id}`).catch(() => null);
  if (!now || now.message_count || now.title || now.turn_id || now.system) return api.post("/chats", { model });
  return now.model === model ? now : api.patch(`/chats/${id}`, { revision: now.revision, model });
}

/** @param {ListedChat | Chat} chat @param {string} title */
export function rename(chat, title) {
  if (chats.value) chats.value = chats.value.map((one) => (one.id === chat.id ? { ...one, title } : one));
  return inLine(async () => {
    try {
      const now = await api.get(`/chats/${chat.id}`);
      if (now.title !== title) await api.patch(`/chats/${chat.id}`, { revision: now.revision, title });
    } catch (error) {
      tellError(error);
    }
    await loadChats();
  });
}

const inLine = api.newLine(); // a field that is left by its Enter key says so twice

/** @param {ListedChat | Chat} chat */
export async function deleteChat(chat) {
  try {
    await api.remove(`/chats/${chat.id}`);
    if (route.value.id === chat.id) go("#/chat");
    await loadChats();
    tell(t("web.chats.deleted", { title: titleOf(chat) }), {
      action: { label: t("web.undo"), run: () => restore(chat) },
    });
  } catch (error) {
    tellError(error);
  }
}

/** @param {ListedChat | Chat} chat */
async function restore(chat) {
  const goThere = goFromHere();
  try {
    await api.post(`/chats/${chat.id}/restore`);
    goThere(`#/chat/${chat.id}`);
    await loadChats();
  } catch (error) {
    tellError(error);
  }
}
