// Who goes on in a group: those who want to speak after a reply, and somebody after a silence. Knows no view.
// @ts-check
import { effect, untracked } from "@preact/signals";
import * as api from "../api.js";
import { apply, change, chat, scrollTo } from "./chat.js";
import { draftOf } from "./drafts.js";
import { busy, ended, failure, say, shownAsSaid, speak, then } from "./turn.js";

const MANUAL = 2;
let silence = 0;

/** Say something; in a group where the person chooses who answers, nobody does yet. @param {string} text */
export async function tellGroup(text) {
  if (chat.value?.story?.group?.order !== MANUAL) return say(text);
  scrollTo("end");
  const ask = (/** @type {number} */ revision, /** @type {string} */ id) => api.post(`/chats/${id}/messages`, { revision, role: "user", text });
  return (await shownAsSaid(text, () => change(ask, apply))) !== null;
}

effect(() => {
  const { n, kind, chatId } = ended.value;
  clearTimeout(silence);
  if (n) untracked(() => goOn(kind, chatId));
});

// A turn that begins, or another chat, ends the silence.
effect(() => {
  if (busy.value || !chat.value) clearTimeout(silence);
});

/** @param {string} kind @param {string} chatId */
function goOn(kind, chatId) {
  const group = chat.value?.story?.group;
  if (!group || chat.value?.id !== chatId || kind !== "done") return (then.value = []);
  const [next, ...others] = then.value;
  then.value = others;
  if (next) return speak(next);
  if (group.auto_s > 0) silence = setTimeout(() => afterSilence(chatId), group.auto_s * 1000);
  return undefined;
}

/** Nobody speaks into what is being typed. @param {string} chatId */
function afterSilence(chatId) {
  if (chat.value?.id === chatId && !busy.value && !failure.value && !draftOf(chatId)) speak("");
}
