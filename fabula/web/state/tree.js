// What can be done with the tree of the open chat beside talking: checkpoints, order, what prompts go without, branches
// told once more. Knows no view.
// @ts-check
import * as api from "../api.js";
import { t } from "../texts.js";
import { changeTree, undoHere } from "./chat.js";
import { tell } from "./toasts.js";

/** @import { Message } from "../types.d.ts" */

/** A place to come back to; "" takes the name away. @param {string} id @param {string} name */
export const nameCheckpoint = (id, name) => changeTree((revision, chatId) => api.put(`/chats/${chatId}/messages/${id}/checkpoint`, { revision, name }));

/** Prompts go without it, or with it again. @param {Message} message */
export const leaveOut = ({ id, left_out }) => changeTree((revision, chatId) => api.post(`/chats/${chatId}/leave_out`, { revision, message_ids: [id], out: !left_out }));

/** It changes places with the one before or after it. @param {Message} message @param {boolean} later */
export const moveMessage = ({ id }, later) => changeTree((revision, chatId) => api.post(`/chats/${chatId}/messages/${id}/move`, { revision, later }));

/** What the path to a message has of its own is told once more at the end. @param {string} id */
export async function mergeBranch(id) {
  const run = undoHere();
  const done = await changeTree((revision, chatId) => api.post(`/chats/${chatId}/merge`, { revision, message_id: id }));
  if (done) tell(t("web.compare.merged"), { action: { label: t("web.undo"), run } });
}
