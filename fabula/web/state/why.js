// "Why is this reply bad?" and trials: two replies to one message, one with a change, in an order that nobody knows until
// one is chosen. Both stay in the chat as alternatives. Knows no view.
// @ts-check
import { effect, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { change, changeChat, chat, page, restoreHere, showMessage } from "./chat.js";
import { lastModel } from "./prefs.js";
import { tell, tellError } from "./toasts.js";
import { busy } from "./turn.js";

/** @import { Change as ChatChange, Message, Turn, WhyFix } from "../types.d.ts" */
/** @typedef {{sampling?: Record<string, any>, model?: string, load?: Record<string, any>}} Changes what is asked of one turn */
/** @typedef {{changes: Changes, words: string, id: string, text: string, error: string, written: boolean}} Side */
/** @typedef {{messageId: string, headId: string, blind: boolean, sides: Side[], chosen: number, lasting: Changes | null}} Trial `lasting` is what the change would be for the whole chat */

/** The reply that is asked about. */
export const asked = signal(/** @type {Message | null} */ (null));
export const trial = signal(/** @type {Trial | null} */ (null));

const PATIENCE_MS = 10_000; // for the chat behind to take a reply in
let reader = new AbortController();

/**
 * Write a reply twice, as things are and with a change; which comes first is drawn when it is blind.
 * @param {string} messageId @param {{words: string, changes: Changes}[]} sides @param {{blind: boolean, lasting?: Changes | null}} how
 */
export async function begin(messageId, sides, { blind, lasting = null }) {
  if (busy.value) return tell(t("web.why.busy"));
  const drawn = blind && crypto.getRandomValues(new Uint8Array(1))[0] % 2 ? [...sides].reverse() : sides;
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1; // the same luck for both, and not that of the reply that is there
  const blank = drawn.map(({ words, changes }) => ({ words, changes: { ...changes, sampling: { seed, ...changes.sampling } }, id: "", text: "", error: "", written: false }));
  reader = new AbortController();
  trial.value = { messageId, headId: chat.value?.head_id ?? "", blind, sides: blank, chosen: -1, lasting };
  const { signal } = reader;
  for (let number = 0; number < blank.length && !signal.aborted; number += 1) await write(number, signal);
}

/** @param {number} number @param {Partial<Side>} values */
function put(number, values) {
  if (trial.value) trial.value = { ...trial.value, sides: trial.value.sides.map((side, index) => (index === number ? { ...side, ...values } : side)) };
}

/** @param {number} number @param {AbortSignal} signal */
async function write(number, signal) {
  const now = trial.value;
  if (!now) return;
  const body = { kind: "swipe", message_id: now.messageId, ...given(now.sides[number].changes) };
  let refusal = "";
  const refused = (/** @type {any} */ error) => (refusal = error.message);
  const took = (/** @type {Turn} */ answer) => (chat.value = answer.change.chat);
  const turn = await change((revision, id) => api.post(`/chats/${id}/turns`, { revision, ...body }), took, refused);
  if (!turn) return put(number, { error: refusal || t("web.why.not_written"), written: true });
  if (signal.aborted) return;
  put(number, { id: turn.message_id });
  await api.follow(`/turns/${turn.turn_id}/events`, (event) => take(number, event), { signal }).catch(tellError);
  if (!signal.aborted) await shown(number, signal);
}

/** Until the chat behind has taken the reply in too, so that the next change is asked of what is there. @param {number} number @param {AbortSignal} signal */
function shown(number, signal) {
  let end = () => {};
  const isThere = () => !busy.value && page.value.messages.some((message) => message.id === trial.value?.sides[number].id);
  return new Promise((done) => {
    const timer = setTimeout(done, PATIENCE_MS);
    const stop = effect(() => void (isThere() && done(null)));
    signal.addEventListener("abort", () => done(null), { once: true });
    end = () => (clearTimeout(timer), stop());
  }).finally(() => end());
}

/** Without what is not changed. @param {Changes} changes */
const given = ({ sampling = {}, model = "", load = {} }) => ({
  ...(Object.keys(sampling).length && { sampling }),
  ...(model && { model }),
  ...(Object.keys(load).length && { load }),
});

/** @param {number} number @param {{kind: string, data: any}} event */
function take(number, { kind, data }) {
  const side = trial.value?.sides[number];
  if (!side) return true;
  if (kind === "start") put(number, { text: data.text ?? "" });
  else if (kind === "text") put(number, { text: side.text + data.text });
  else if (kind === "done") ended(number, data.change);
  else if (kind === "error") put(number, { error: data.message, written: true });
  return kind === "done" || kind === "error";
}

/** What is stored is what counts: scripts and limits may have changed it. @param {number} number @param {ChatChange | null} done */
function ended(number, done) {
  put(number, { written: true, ...(done?.message && { id: done.message.id, text: done.message.text }) });
}

/** This one stays in sight; the other is an alternative beside it. @param {number} number */
export async function choose(number) {
  const now = trial.value;
  if (!now || !now.sides[number].id) return;
  trial.value = { ...now, chosen: number };
  await showMessage(now.sides[number].id);
}

/** Leave it: the chat is as it was, what was written stays as alternatives. */
export async function leave() {
  const now = trial.value;
  reader.abort();
  trial.value = null;
  if (!now) return;
  if (chat.value?.turn_id) await api.post(`/turns/${chat.value.turn_id}/stop`).catch(tellError);
  if (now.chosen < 0 && now.headId && chat.value && chat.value.head_id !== now.headId) await showMessage(now.headId);
}

/** What was tried holds in the chat from now on. @param {Changes} lasting */
export async function keep({ sampling = {}, model = "" }) {
  const before = chat.value && { sampling: chat.value.sampling, model: chat.value.model };
  if (model) lastModel.value = model;
  const run = before && restoreHere(before);
  const done = await changeChat((now) => ({
    sampling: { ...now.sampling, ...sampling },
    ...(model && { model }),
  }));
  if (done && run) tell(t("web.why.kept"), { action: { label: t("web.undo"), run } });
}

/** @param {WhyFix} fix */
export const tryFix = (fix) =>
  asked.value &&
  begin(
    asked.value.id,
    [
      { words: t("web.why.as_it_is"), changes: {} },
      { words: fix.text, changes: fix },
    ],
    { blind: true, lasting: Object.keys(fix.sampling).length || fix.model ? fix : null },
  );
