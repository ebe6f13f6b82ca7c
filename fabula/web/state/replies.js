// Quick replies that hold in the open chat, and what one does when it is pressed. Knows no view.
// @ts-check
import { effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { chat, page } from "./chat.js";
import { insertText } from "./drafts.js";
import { tellGroup } from "./group.js";
import { writeForMe } from "./story.js";
import { tellError } from "./toasts.js";
import { lengthen, regenerate, say } from "./turn.js";

/** @typedef {{at: number, label: string, title: string, message: string, hidden: boolean, steps: object[], unknown: string[]}} Reply */
/** @typedef {{id: string, revision: number, name: string, everywhere: boolean, sends: boolean, replies: Reply[]}} ReplySet */
/** @typedef {{act: "send" | "insert" | "continue" | "swipe" | "reply" | "impersonate", text: string}} Step */

/** Those of the open chat. */
export const replies = signal(/** @type {ReplySet[]} */ ([]));
let read = "";

effect(() => {
  const id = chat.value?.id ?? "";
  if (id !== read) untracked(() => loadReplies(id));
});

/** @param {string} [id] */
export async function loadReplies(id = chat.value?.id ?? "") {
  if (id !== read) replies.value = [];
  read = id;
  const got = id && (await api.get(`/chats/${id}/replies`).catch(() => null)); // they are only a convenience
  if (got && read === id) replies.value = got.sets;
}

/** Its steps, one after the other. @param {ReplySet} set @param {Reply} reply @param {string} input what the person has written */
export async function run(set, reply, input) {
  const id = chat.value?.id;
  try {
    const { steps } = await api.post(`/chats/${id}/replies/run`, { set: set.id, label: reply.label, at: reply.at, input });
    for (const step of /** @type {Step[]} */ (steps)) if (chat.value?.id === id) await ACTS[step.act](step.text, id ?? "");
  } catch (error) {
    tellError(error);
  }
}

/** @type {Record<Step["act"], (text: string, id: string) => unknown>} */
const ACTS = {
  send: (text) => tellGroup(text),
  insert: (text, id) => insertText(id, text),
  continue: () => withReply(lengthen),
  swipe: () => withReply(regenerate),
  reply: () => say(""),
  impersonate: async (_, id) => insertText(id, await writeForMe()),
};

/** @param {(message: import("../types.d.ts").Message) => unknown} act */
function withReply(act) {
  const last = page.value.messages.at(-1);
  return last?.role === "assistant" ? act(last) : undefined;
}
