// The reply that is being written in the open chat. A turn belongs to its chat: it is picked up again after a reload,
// and a window that sees another one's turn follows it too. Knows no view.
// @ts-check
import { computed, effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { apply, askWriting, atEnd, catchUp, change, changeChat, chat, page, reload, scrollTo, toEnd } from "./chat.js";
import { tellError } from "./toasts.js";

/** @import { Message, Turn } from "../types.d.ts" */

/**
 * @typedef {object} Live
 * @property {string} turnId
 * @property {string} messageId
 * @property {string} parentId "" when it is not known
 * @property {Turn["kind"]} kind
 * @property {boolean} seenFromStart false for a turn that was under way when this page came to it
 * @property {import("@preact/signals").Signal<Phase>} phase
 * @property {import("@preact/signals").Signal<{position: number, behind: string}>} queue
 * @property {import("@preact/signals").Signal<string>} why the model is loaded again
 * @property {import("@preact/signals").Signal<{processed: number, total: number, reused: number} | null>} prefill
 * @property {import("@preact/signals").Signal<string>} text
 * @property {import("@preact/signals").Signal<string>} reasoning
 * @property {import("@preact/signals").Signal<number>} thoughtFrom when the thinking was first seen (performance.now()), 0 = not seen from its start
 * @property {import("@preact/signals").Signal<number>} thoughtMs how long it took, 0 while it lasts
 * @property {import("@preact/signals").Signal<boolean>} hurried the person wants the answer now
 * @property {import("@preact/signals").Signal<boolean>} stopping
 */
/** @typedef {"waiting" | "queued" | "loading" | "reading" | "thinking" | "writing"} Phase */
/** @typedef {{kind: Turn["kind"], text?: string, message_id?: string}} Ask */

export const live = signal(/** @type {Live | null} */ (null));
export const starting = signal(false);
export const failure = signal(/** @type {{message: string, retry: () => void} | null} */ (null));
/** For screen readers: the reply, once it is there. */
export const announcement = signal("");
export const busy = computed(() => starting.value || live.value !== null);

/** The messages on the screen: the path, with the reply that is being written in its place. */
export const shown = computed(() => {
  const { messages } = page.value;
  const turn = live.value;
  if (!turn || !atEnd.value || messages.some((message) => message.id === turn.messageId)) return messages;
  const place = turn.kind === "swipe" ? swipePlace(messages, turn.parentId) : messages.length;
  return [...messages.slice(0, place), placeholder(turn, messages[place])];
});

/** @param {Message[]} messages @param {string} parentId */
function swipePlace(messages, parentId) {
  const parent = messages.findIndex((message) => message.id === parentId);
  return parent >= 0 ? parent + 1 : Math.max(0, messages.length - 1);
}

/** @param {Live} turn @param {Message | undefined} sibling @returns {Message} */
function placeholder(turn, sibling) {
  const ids = [...(sibling?.swipe.ids ?? []), turn.messageId];
  const swipe = { index: ids.length - 1, count: ids.length, ids };
  const words = { role: /** @type {const} */ ("assistant"), author: sibling?.author ?? "", text: "" };
  const origin = { version_id: "", version_reason: /** @type {const} */ ("generated"), versions: 1, created_at: 0, facts: null, reasoning: "" };
  return { id: turn.messageId, parent_id: turn.parentId, ...words, ...origin, swipe };
}

// ── asking for a turn ───────────────────────────────────────────────────────────────────────────────

/** Say something and get a reply. Answers whether the studio took the text. @param {string} text */
export async function say(text) {
  if (!atEnd.value) await toEnd();
  scrollTo("end");
  if (text && page.value.total === 0 && !chat.value?.title) await changeChat(() => ({ title: titleFor(text) }));
  return begin(text ? { kind: "reply", text } : { kind: "reply" });
}

const TITLE_LENGTH = 60;

/** A chat is called after its first words until somebody names it. @param {string} text */
function titleFor(text) {
  const words = text.replace(/[*_`#>]+/g, "").trim().split(/\n|(?<=[.?!。？！])\s*/)[0];
  if (words.length <= TITLE_LENGTH) return words;
  return `${words.slice(0, TITLE_LENGTH).replace(/\s+\S*$/, "")}…`;
}

/** Another alternative of a reply. @param {Message} message */
export const regenerate = (message) => begin({ kind: "swipe", message_id: message.id }, message.parent_id);

/** @param {Message} message */
export const lengthen = (message) => begin({ kind: "continue", message_id: message.id });

/** What was to be written once more: after an error the head is the partial reply or the message it answers. */
export function retry() {
  const head = page.value.messages.at(-1);
  return head?.role === "assistant" ? regenerate(head) : begin({ kind: "reply" });
}

/** @param {Ask} ask @param {string} [parentId] */
async function begin(ask, parentId = "") {
  if (busy.value) return false;
  starting.value = true;
  failure.value = null;
  const refused = (/** @type {any} */ error) => (failure.value = { message: error.message, retry: () => begin(ask, parentId) });
  const began = async (/** @type {Turn} */ answer) => {
    watch(makeLive({ ...answer, kind: ask.kind, parentId: parentId || answer.change.chat.head_id }, true));
    if (answer.change.message) await apply(answer.change);
    else chat.value = answer.change.chat;
  };
  const answer = await change((revision, id) => api.post(`/chats/${id}/turns`, { revision, ...ask }), began, refused);
  starting.value = false;
  return answer !== null;
}

/** @param {{turn_id: string, message_id: string, kind: Turn["kind"], parentId: string}} turn @param {boolean} seenFromStart @returns {Live} */
function makeLive({ turn_id, message_id, kind, parentId }, seenFromStart) {
  const base = kind === "continue" ? page.value.messages.find((message) => message.id === message_id) : undefined;
  return {
    turnId: turn_id,
    messageId: message_id,
    parentId,
    kind,
    seenFromStart,
    phase: signal(/** @type {Phase} */ ("waiting")),
    queue: signal({ position: 0, behind: "" }),
    why: signal(""),
    prefill: signal(null),
    text: signal(base?.text ?? ""),
    reasoning: signal(base?.reasoning ?? ""),
    thoughtFrom: signal(0),
    thoughtMs: signal(0),
    hurried: signal(false),
    stopping: signal(false),
  };
}

export async function stop() {
  const turn = live.value;
  if (!turn || turn.stopping.value) return;
  turn.stopping.value = true;
  await api.post(`/turns/${turn.turnId}/stop`).catch(tellError);
}

/** End the thinking: the model answers with what it has. */
export async function answerNow() {
  const turn = live.value;
  if (!turn || turn.hurried.value) return;
  turn.hurried.value = true;
  await api.post(`/turns/${turn.turnId}/answer_now`).catch(tellError);
}

// ── following a turn ────────────────────────────────────────────────────────────────────────────────

let reader = new AbortController();

// A chat that is opened, or changed elsewhere, may have a turn under way.
effect(() => {
  const turnId = chat.value?.turn_id ?? "";
  const chatId = chat.value?.id;
  untracked(() => {
    if (!chatId) leave();
    else if (turnId && live.value?.turnId !== turnId && !starting.value) watchFromStart(turnId);
  });
});

function leave() {
  reader.abort();
  live.value = null;
  failure.value = null;
}

/** @param {string} turnId */
function watchFromStart(turnId) {
  watch(makeLive({ turn_id: turnId, message_id: "", kind: "reply", parentId: "" }, false));
}

/** @param {Live} turn */
async function watch(turn) {
  reader.abort();
  reader = new AbortController();
  live.value = turn.messageId ? turn : null;
  try {
    await api.follow(`/turns/${turn.turnId}/events`, (event) => take(turn, event), { signal: reader.signal });
  } catch {
    await reload(); // the studio no longer knows the turn: its text is in the chat
    drop(turn);
  }
}

/** @param {Live} turn @param {{kind: string, data: any}} event */
function take(turn, { kind, data }) {
  if (kind === "start") begun(turn, data);
  else if (kind === "queued") waits(turn, "queued", { queue: data });
  else if (kind === "loading") waits(turn, "loading", { why: data.why ?? "" });
  else if (kind === "prefill") waits(turn, "reading", { prefill: data });
  else if (kind === "reasoning" || kind === "text") append(turn, kind, data.text);
  else if (kind === "done" || kind === "error") finish(turn, kind, data);
  return kind === "done" || kind === "error";
}

/** What stands before the first word. @param {Live} turn @param {Phase} phase @param {Record<string, any>} facts */
function waits(turn, phase, facts) {
  turn.phase.value = phase;
  for (const [name, value] of Object.entries(facts)) turn[/** @type {"why"} */ (name)].value = value;
}

/** @param {Live} turn @param {any} data */
function begun(turn, data) {
  turn.text.value = data.text ?? "";
  turn.reasoning.value = data.reasoning ?? "";
  if (turn.messageId) return;
  Object.assign(turn, { messageId: data.message_id, parentId: data.parent_id ?? "", kind: data.kind });
  live.value = turn;
}

// Pieces are gathered and shown once per frame; a hidden tab gets no frames, so the end of the turn flushes too.
let pending = { reasoning: "", text: "" };
let frame = 0;

/** @param {Live} turn @param {"reasoning" | "text"} part @param {string} piece */
function append(turn, part, piece) {
  pending[part] += piece;
  frame ||= requestAnimationFrame(() => flush(turn));
}

/** @param {Live} turn */
function flush(turn) {
  cancelAnimationFrame(frame);
  frame = 0;
  const { reasoning, text } = pending;
  pending = { reasoning: "", text: "" };
  if (reasoning) think(turn, reasoning);
  if (text) write(turn, text);
}

/** A block that stays empty (some templates write one) is no thinking. @param {Live} turn @param {string} piece */
function think(turn, piece) {
  turn.reasoning.value += piece;
  if (turn.phase.value === "writing" || !turn.reasoning.value.trim()) return;
  turn.phase.value = "thinking";
  if (turn.seenFromStart) turn.thoughtFrom.value ||= performance.now();
}

/** @param {Live} turn @param {string} piece */
function write(turn, piece) {
  const { thoughtFrom, thoughtMs, phase } = turn;
  if (phase.value === "thinking" && thoughtFrom.value) thoughtMs.value = performance.now() - thoughtFrom.value;
  turn.text.value += piece;
  phase.value = "writing";
}

/** @param {Live} turn @param {string} kind @param {any} data */
async function finish(turn, kind, data) {
  flush(turn);
  if (data.change) await apply(data.change).catch(tellError);
  else await reload();
  announcement.value = turn.text.value;
  drop(turn);
  if (kind === "error") failure.value = { message: data.message, retry };
  await catchUp();
}

/** @param {Live} turn */
function drop(turn) {
  if (live.value === turn) live.value = null;
}

askWriting(() => busy.value);
