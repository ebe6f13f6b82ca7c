// The reply that is being written in the open chat. A turn belongs to its chat: it is picked up again after a reload,
// and a window that sees another one's turn follows it too. A turn may write several alternatives side by side; one of
// them is looked at. Knows no view.
// @ts-check
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { apply, askWriting, atEnd, catchUp, change, changeChat, chat, page, reload, scrollTo, showMessage, toEnd } from "./chat.js";
import { titleFor } from "./titles.js";
import { tell, tellError } from "./toasts.js";

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
 * @property {{reasoning: string, text: string}} pending pieces that are shown with the next frame
 * @property {number} frame
 */
/** @typedef {"waiting" | "queued" | "loading" | "reading" | "thinking" | "writing" | "written"} Phase */
/** @typedef {{kind: Turn["kind"], text?: string, message_id?: string, count?: number, speaker?: string}} Ask */

/** The reply that is looked at. */
export const live = signal(/** @type {Live | null} */ (null));
/** All that the turn writes side by side, in the order of their index. */
export const together = signal(/** @type {Live[]} */ ([]));
/** What was asked for and is not answered yet. @type {import("@preact/signals").Signal<{chatId: string, stopped: import("@preact/signals").Signal<boolean>} | null>} */
const asked = signal(null);
const starting = computed(() => asked.value !== null && asked.value.chatId === chat.value?.id);
/** What the person has said and the studio has not taken yet; `total` is how many messages stood before it. */
const saying = signal(/** @type {{chatId: string, text: string, total: number} | null} */ (null));
export const failure = signal(/** @type {{message: string, retry: () => void} | null} */ (null));
/** For screen readers: the reply, once it is there. */
export const announcement = signal("");
/** Those of a group who want to speak after this reply, and the end of the last turn. */
export const then = signal(/** @type {string[]} */ ([]));
export const ended = signal({ n: 0, kind: "", chatId: "" });
export const busy = computed(() => starting.value || live.value !== null);
/** Whether what is written, or is about to be, was stopped. */
export const stopping = computed(() => (live.value ? live.value.stopping.value : starting.value && asked.value?.stopped.value === true));

/** The path, with what was said a moment ago. */
const told = computed(() => {
  const { messages, total } = page.value;
  const said = saying.value;
  const waits = said !== null && said.chatId === chat.value?.id && said.total === total && atEnd.value;
  return waits ? [...messages, onItsWay(said.text, messages.at(-1)?.id ?? "")] : messages;
});

/** The messages on the screen: with the reply that is being written in its place. */
export const shown = computed(() => {
  const messages = told.value;
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
  const ids = [...(sibling?.swipe.ids ?? []), ...together.value.map((one) => one.messageId)];
  const swipe = { index: ids.indexOf(turn.messageId), count: ids.length, ids };
  const words = { role: /** @type {const} */ ("assistant"), author: sibling?.author ?? "", text: "" };
  return { id: turn.messageId, parent_id: turn.parentId, ...words, ...ORIGIN, swipe };
}

const ORIGIN = { version_id: "", version_reason: /** @type {const} */ ("generated"), versions: 1, created_at: 0, facts: null, reasoning: "" };

/** It has no name yet: nothing can be done with it. @param {string} text @param {string} parent_id @returns {Message} */
function onItsWay(text, parent_id) {
  return { id: "", parent_id, role: "user", author: "", text, ...ORIGIN, swipe: { index: 0, count: 1, ids: [] } };
}

// ── asking for a turn ───────────────────────────────────────────────────────────────────────────────

/** Say something and get a reply. Answers whether the studio took the text. @param {string} text */
export function say(text) {
  return begin(text ? { kind: "reply", text } : { kind: "reply" }, "", async () => {
    if (!atEnd.value) await toEnd();
    scrollTo("end");
    if (text && page.value.total === 0 && !chat.value?.title) void changeChat(() => ({ title: titleFor(text) }));
  });
}

/** A text stands on the page while it is on its way. @template Answer @param {string} text @param {() => Promise<Answer>} send */
export async function shownAsSaid(text, send) {
  const mine = text ? { chatId: chat.value?.id ?? "", text, total: page.value.total } : null;
  if (mine) saying.value = mine;
  try {
    return await send();
  } finally {
    if (mine && saying.value === mine) saying.value = null;
  }
}

/** Another alternative of a reply, or several side by side. @param {Message} message @param {number} [count] */
export const regenerate = (message, count = 1) => begin({ kind: "swipe", message_id: message.id, ...(count > 1 && { count }) }, message.parent_id);

/** Somebody of a group goes on; "" = whoever wants to. @param {string} speaker */
export const speak = (speaker) => begin({ kind: "reply", speaker });

/** @param {Message} message */
export const lengthen = (message) => begin({ kind: "continue", message_id: message.id });

/** What was to be written once more: after an error the head is the partial reply or the message it answers. */
export function retry() {
  const head = page.value.messages.at(-1);
  return head?.role === "assistant" ? regenerate(head) : begin({ kind: "reply" });
}

/** @param {Ask} ask @param {string} [parentId] @param {() => Promise<unknown>} [first] what comes before it */
async function begin(ask, parentId = "", first = async () => null) {
  if (busy.value || !chat.value) return false;
  const chatId = chat.value.id;
  const mine = (asked.value = { chatId, stopped: signal(false) });
  const isHere = () => chat.value?.id === chatId; // the answer may find another chat open
  failure.value = null;
  const refused = (/** @type {any} */ error) =>
    isHere() ? (failure.value = { message: error.message, retry: () => begin(ask, parentId) }) : tellError(error);
  const began = async (/** @type {Turn} */ answer) => {
    watch(makeLives({ ...answer, kind: ask.kind, parentId: parentId || answer.change.chat.head_id }, true));
    if (mine.stopped.value) void stop();
    if (!ask.speaker) then.value = answer.then ?? [];
    if (answer.change.message) await apply(answer.change);
    else chat.value = answer.change.chat;
  };
  const send = () => change((revision, id) => api.post(`/chats/${id}/turns`, { revision, ...ask }), began, refused);
  await first();
  const answer = isHere() ? await shownAsSaid(ask.text ?? "", send) : null;
  if (asked.value === mine) asked.value = null;
  return answer !== null;
}

/** @typedef {{turn_id: string, message_ids: string[], kind: Turn["kind"], parentId: string}} Origin */

/** @param {Origin} turn @param {boolean} seenFromStart */
function makeLives(turn, seenFromStart) {
  return turn.message_ids.map((id) => makeLive(turn, id, seenFromStart));
}

/** @param {Origin} turn @param {string} message_id @param {boolean} seenFromStart @returns {Live} */
function makeLive({ turn_id, kind, parentId }, message_id, seenFromStart) {
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
    pending: { reasoning: "", text: "" },
    frame: 0,
  };
}

/** Look at the alternative `step` places on. @param {number} step */
export function look(step) {
  const next = together.value.indexOf(/** @type {Live} */ (live.value)) + step;
  if (together.value[next]) live.value = together.value[next];
}

export async function stop() {
  const turn = live.value;
  if (!turn && starting.value && asked.value) asked.value.stopped.value = true; // as soon as it has begun
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
  show([]);
  failure.value = null;
}

/** @param {Live[]} lives */
function show(lives) {
  batch(() => ((together.value = lives), (live.value = lives[0] ?? null)));
}

/** What it writes is told by its start. @param {string} turnId */
function watchFromStart(turnId) {
  watch(makeLives({ turn_id: turnId, message_ids: [""], kind: "reply", parentId: "" }, false));
}

/** @param {Live[]} lives */
async function watch(lives) {
  reader.abort();
  reader = new AbortController();
  show(lives[0].messageId ? lives : []);
  try {
    await api.follow(`/turns/${lives[0].turnId}/events`, (event) => take(lives, event), { signal: reader.signal });
  } catch {
    await reload(); // the studio no longer knows the turn: its text is in the chat
    drop(lives);
  }
}

/** @param {Live[]} lives @param {{kind: string, data: any}} event */
function take(lives, { kind, data }) {
  const turn = lives[data.index ?? 0];
  if (kind === "start") begun(lives, data);
  else if (kind === "queued") waits(turn, "queued", { queue: data });
  else if (kind === "loading") waits(turn, "loading", { why: data.why ?? "" });
  else if (kind === "prefill") waits(turn, "reading", { prefill: data });
  else if (kind === "reasoning" || kind === "text") append(turn, kind, data.text);
  else if (kind === "written") written(turn, data);
  else if (kind === "done" || kind === "error") finish(lives, kind, data);
  return kind === "done" || kind === "error";
}

/** What stands before the first word. @param {Live} turn @param {Phase} phase @param {Record<string, any>} facts */
function waits(turn, phase, facts) {
  turn.phase.value = phase;
  for (const [name, value] of Object.entries(facts)) turn[/** @type {"why"} */ (name)].value = value;
}

/** @param {Live[]} lives @param {any} data */
function begun(lives, data) {
  const [first] = lives;
  first.text.value = data.text ?? "";
  first.reasoning.value = data.reasoning ?? "";
  if (first.messageId) return;
  Object.assign(first, { messageId: data.message_id, parentId: data.parent_id ?? "", kind: data.kind });
  lives.push(...makeLives({ ...data, parentId: first.parentId, message_ids: data.message_ids.slice(1) }, false));
  show(lives);
  // A chat may tell of its turn a moment before it tells of what was said for it.
  if (atEnd.value && first.parentId && !page.value.messages.some(({ id }) => id === first.parentId)) void reload();
}

// Pieces are gathered and shown once per frame; a hidden tab gets no frames, so the end of the turn flushes too.

/** @param {Live} turn @param {"reasoning" | "text"} part @param {string} piece */
function append(turn, part, piece) {
  turn.pending[part] += piece;
  turn.frame ||= requestAnimationFrame(() => flush(turn));
}

/** @param {Live} turn */
function flush(turn) {
  cancelAnimationFrame(turn.frame);
  const { reasoning, text } = turn.pending;
  Object.assign(turn, { frame: 0, pending: { reasoning: "", text: "" } });
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

/** One of several is there; the others go on. @param {Live} turn @param {any} data */
function written(turn, data) {
  flush(turn);
  turn.phase.value = "written";
  if (data.error) tell(data.error.message);
}

/** What was looked at last stays on the screen. @param {Live[]} lives @param {string} kind @param {any} data */
async function finish(lives, kind, data) {
  const chatId = chat.value?.id ?? "";
  lives.forEach(flush);
  const looked = lives.find((one) => one === live.value) ?? lives[0];
  const { id, swipe } = data.change?.message ?? { id: looked.messageId, swipe: { ids: [] } };
  if (data.change) await apply(data.change).catch(tellError);
  else await reload();
  announcement.value = looked.text.value;
  drop(lives);
  if (chat.value?.id !== chatId) return; // left meanwhile
  if (kind === "error") failure.value = { message: data.message, retry };
  if (looked.messageId !== id && swipe.ids.includes(looked.messageId)) await showMessage(looked.messageId);
  await catchUp();
  ended.value = { n: ended.value.n + 1, kind: lives.some((one) => one.stopping.value) ? "stopped" : kind, chatId };
}

/** @param {Live[]} lives */
function drop(lives) {
  if (together.value[0] === lives[0]) show([]);
}

askWriting(() => busy.value);
