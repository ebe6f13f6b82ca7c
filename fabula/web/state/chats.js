// The list of chats: newest first, renamed, deleted with a way back. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { lastModel } from "./prefs.js";
import { go, route } from "./route.js";
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

export async function loadChats() {
  try {
    const page = await api.get(`/chats?limit=${count}`);
    chats.value = page.chats;
    hasMore.value = page.chats.length === count;
    failure.value = null;
  } catch (error) {
    failure.value = /** @type {Error} */ (error);
  }
}

export async function loadMore() {
  count += PAGE;
  await loadChats();
}

/** Start a chat with a model; an empty chat that is already there is used again. @param {string} [model] */
export async function newChat(model = preferredModel.value) {
  try {
    const empty = (chats.value ?? []).find((chat) => chat.message_count === 0 && !chat.title && !chat.turn_id && !chat.system);
    const chat = empty ? await reuse(empty, model) : await api.post("/chats", { model });
    if (model) warmUp(model);
    lastModel.value = model;
    go(`#/chat/${chat.id}`);
    await loadChats();
  } catch (error) {
    tellError(error);
  }
}

/** Start a chat with a character. @param {string} id @param {string} name what the person is called */
export async function talkTo(id, name) {
  try {
    const model = preferredModel.value;
    const chat = await api.post("/chats", { model, character_id: id, persona: name ? { name, description: "" } : null });
    if (model) warmUp(model);
    go(`#/chat/${chat.id}`);
    await loadChats();
  } catch (error) {
    tellError(error);
  }
}

/** @param {ListedChat} chat @param {string} model @returns {Promise<Chat>} */
async function reuse(chat, model) {
  return chat.model === model ? chat : api.patch(`/chats/${chat.id}`, { revision: chat.revision, model });
}

/** @param {ListedChat | Chat} chat @param {string} title */
export async function rename(chat, title) {
  try {
    const now = await api.get(`/chats/${chat.id}`);
    await api.patch(`/chats/${chat.id}`, { revision: now.revision, title });
  } catch (error) {
    tellError(error);
  }
  await loadChats();
}

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
  try {
    await api.post(`/chats/${chat.id}/restore`);
    await loadChats();
    go(`#/chat/${chat.id}`);
  } catch (error) {
    tellError(error);
  }
}
