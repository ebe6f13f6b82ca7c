// What a model writes into the chapter that is open: where the caret is, in the place of a selection, or another try at a
// passage; and what it has written there before. A turn belongs to its document: it is picked up again after a reload, and
// other windows follow it too. Knows no view.
// @ts-check
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { askBusy, base, change, changed, doc, flush, lookAt, marks, path, placeOf, points, renew, text } from "./manuscript.js";
import { tell, tellError } from "./toasts.js";

/** @import { Passage } from "../types.d.ts" */
/** @typedef {"continue" | "rewrite" | "expand"} Kind */
/** @typedef {"waiting" | "queued" | "loading" | "reading" | "thinking" | "writing" | "written"} Phase */

/**
 * One text that is being written.
 * @typedef {object} Live
 * @property {string} turnId
 * @property {string} chapterId
 * @property {Kind} kind
 * @property {number} start place of the page
 * @property {number} end what stands up to here goes
 * @property {boolean} inPlace shown in the text; of several, all are shown beside each other
 * @property {import("@preact/signals").Signal<Phase>} phase
 * @property {import("@preact/signals").Signal<{position: number, behind: string}>} queue
 * @property {import("@preact/signals").Signal<string>} why the model is loaded again
 * @property {import("@preact/signals").Signal<{processed: number, total: number, reused: number} | null>} prefill
 * @property {import("@preact/signals").Signal<string>} text
 * @property {import("@preact/signals").Signal<boolean>} stopping
 * @property {any[]} tokens with their chances, of notebooks
 * @property {string} pending pieces that are shown with the next frame
 * @property {number} frame
 */

export const lives = signal(/** @type {Live[]} */ ([]));
export const live = computed(() => lives.value[0] ?? null);
export const starting = signal(false);
export const busy = computed(() => starting.value || live.value !== null);
export const failure = signal(/** @type {{message: string, retry: () => void} | null} */ (null));
/** For screen readers: the passage, once it is there. */
export const announcement = signal("");
/** What was written in this chapter, newest first. */
export const written = signal(/** @type {Passage[]} */ ([]));
/** All that was written at a place, to be looked at side by side. */
export const compared = signal(/** @type {{start: number} | null} */ (null));

const AGAIN_MS = 1000; // when the studio cannot be reached

askBusy(() => busy.value);

/** The page: the chapter, with what is being written in its place. */
export const shown = computed(() => {
  const one = live.value;
  if (!one?.inPlace || one.chapterId !== base.value?.id) return text.value;
  return text.value.slice(0, one.start) + one.text.value + text.value.slice(one.end);
});

/** Where that stands. */
export const growing = computed(() => {
  const one = live.value;
  return one?.inPlace && one.chapterId === base.value?.id ? { start: one.start, end: one.start + one.text.value.length } : null;
});

// ── asking ──────────────────────────────────────────────────────────────────────────────────────────

/** @typedef {{kind: Kind, start: number, end?: number, instruction?: string, count?: number}} Ask places of the page */

/** @param {Ask} ask */
export async function write(ask) {
  if (busy.value || !base.value) return;
  const { kind, start, end = start, instruction = "", count = 1 } = ask;
  batch(() => ((starting.value = true), (failure.value = null)));
  const id = base.value.id;
  const open = doc.value?.id;
  const isHere = () => doc.value?.id === open; // the answer may find another document open
  try {
    if (!(await flush())) throw new Error(t("web.write.not_handed_over"));
    const body = { chapter_id: id, kind, at: points(start), end: points(end), instruction, count };
    const begun = await change((revision) => api.post(`${path()}/turns`, { revision, ...body }));
    if (!isHere()) return;
    if (begun) watch(begun.passage_ids.map(() => makeLive(begun.turn_id, { chapterId: id, kind, start, end, inPlace: count === 1 })));
    if (begun && count > 1) compared.value = { start: points(start) };
  } catch (error) {
    if (!isHere()) return;
    failure.value = { message: /** @type {Error} */ (error).message, retry: () => write(ask) };
  }
  starting.value = false;
}

/** Another try at a passage that stands there: it goes when the new one comes. @param {Passage} passage @param {string} instruction @param {number} [count] */
export async function retry(passage, instruction, count = 1) {
  const start = placeOf(text.value, passage.start);
  if (passage.kind === "continue") return write({ kind: "continue", start, end: start + passage.text.length, instruction, count });
  if (!(await original(passage))) return;
  await write({ kind: passage.kind, start, end: start + passage.replaced.length, instruction, count });
}

/** What a person had there before it was written anew. @param {Passage} passage */
export async function original(passage) {
  const id = base.value?.id;
  const body = { text: passage.replaced, start: passage.start, end: passage.start + [...passage.text].length };
  const notebook = path().startsWith("/notebooks");
  const answer = await change((revision) => api.put(`${path()}${notebook ? "" : `/chapters/${id}`}/text`, { revision, ...body }));
  if (answer) await changed(answer);
  return answer !== null;
}

/** A passage takes the place of the one that stands there. @param {Passage} passage */
export async function choose(passage) {
  const answer = await change((revision) => api.post(`${path()}/choose`, { revision, passage_id: passage.id }));
  if (answer) await changed(answer);
}

export async function stop() {
  const one = live.value;
  if (!one || one.stopping.value) return;
  one.stopping.value = true;
  await api.post(`/turns/${one.turnId}/stop`).catch(tellError);
}

// ── following ───────────────────────────────────────────────────────────────────────────────────────

let reader = new AbortController();

/** @param {string} turnId @param {Pick<Live, "chapterId" | "kind" | "start" | "end" | "inPlace">} where @returns {Live} */
function makeLive(turnId, where) {
  const facts = { queue: signal({ position: 0, behind: "" }), why: signal(""), prefill: signal(null) };
  const signs = { phase: signal(/** @type {Phase} */ ("waiting")), text: signal(""), stopping: signal(false) };
  return { turnId, ...where, ...facts, ...signs, tokens: [], pending: "", frame: 0 };
}

// A document that is opened, or changed elsewhere, may have a turn under way.
effect(() => {
  const turnId = doc.value?.turn_id ?? "";
  const ready = base.value !== null;
  untracked(() => {
    if (!doc.value) leave();
    else if (turnId && ready && live.value?.turnId !== turnId && !starting.value && turnId !== over) watch([makeLive(turnId, { chapterId: "", kind: "continue", start: 0, end: 0, inPlace: false })]);
  });
});

let over = ""; // the turn that has ended here, which an older answer may still call running

function leave() {
  reader.abort();
  batch(() => ([lives.value, starting.value, failure.value, written.value, compared.value] = [[], false, null, [], null]));
}

/** @param {Live[]} ones */
async function watch(ones) {
  reader.abort();
  reader = new AbortController();
  lives.value = ones;
  try {
    await api.follow(`/turns/${ones[0].turnId}/events`, (event) => take(ones, event), { signal: reader.signal });
  } catch {
    over = ones[0].turnId; // the studio no longer knows the turn: its text is in the document
    await end(ones);
  }
}

/** @param {Live[]} ones @param {{kind: string, data: any}} event */
function take(ones, { kind, data }) {
  const one = ones[data.index ?? 0];
  if (kind === "start") begun(ones, data);
  else if (kind === "queued") waits(one, "queued", { queue: data });
  else if (kind === "loading") waits(one, "loading", { why: data.why ?? "" });
  else if (kind === "prefill") waits(one, "reading", { prefill: data });
  else if (kind === "reasoning") one.phase.value = "thinking";
  else if (kind === "text" || kind === "joint") append(one, data);
  else if (kind === "written") one.phase.value = "written";
  else if (kind === "done" || kind === "error") void finish(ones, kind, data);
  return kind === "done" || kind === "error";
}

/** @param {Live} one @param {Phase} phase @param {Record<string, any>} facts */
function waits(one, phase, facts) {
  one.phase.value = phase;
  for (const [name, value] of Object.entries(facts)) one[/** @type {"why"} */ (name)].value = value;
}

/** Where it goes is known by its start, to a window that did not ask for it. @param {Live[]} ones @param {any} data */
function begun(ones, data) {
  if (ones[0].chapterId) return;
  const start = data.chapter_id === base.value?.id ? placeOf(text.value, data.start) : 0;
  const where = { chapterId: data.chapter_id, kind: data.kind, start, end: start + data.replaced.length, inPlace: data.passage_ids.length === 1 };
  ones.splice(0, 1, ...data.passage_ids.map(() => makeLive(data.turn_id, where)));
  lives.value = [...ones];
}

// Pieces are gathered and shown once per frame; a hidden tab gets no frames, so the end of the turn flushes too.

/** @param {Live} one @param {{text: string, token?: any}} piece */
function append(one, { text: piece, token }) {
  one.pending += piece;
  if (token) one.tokens.push(token);
  one.frame ||= requestAnimationFrame(() => grow(one));
}

/** @param {Live} one */
function grow(one) {
  cancelAnimationFrame(one.frame);
  const { pending } = one;
  Object.assign(one, { frame: 0, pending: "" });
  if (!pending) return;
  one.text.value += pending;
  one.phase.value = "writing";
}

/** @param {Live[]} ones @param {string} kind @param {any} data */
async function finish(ones, kind, data) {
  ones.forEach(grow);
  over = ones[0].turnId;
  await end(ones, data.novel);
  announcement.value = ones[0].text.value;
  if (kind === "error") failure.value = { message: data.message, retry: () => write({ ...ones[0], instruction: "", count: ones.length }) };
  else if (ones[0].inPlace && ones[0].text.value && !data.novel?.inserted) tell(t("web.write.waits"));
}

/** The document as it is now takes the place of what was shown, at once: nothing flickers. @param {Live[]} ones @param {any} [place] */
async function end(ones, place) {
  const [mine, open] = [doc.value?.id, base.value?.id];
  const gone = () => lives.value[0] === ones[0] && (lives.value = []);
  while (doc.value?.id === mine && !(await renew(gone))) await new Promise((wait) => setTimeout(wait, AGAIN_MS));
  if (doc.value?.id !== mine) return;
  if (place?.inserted && place.chapter_id === open) lookAt(placeOf(text.value, place.start) + place.inserted.length);
  await loadWritten();
}

// ── what was written before ─────────────────────────────────────────────────────────────────────────

const MOST = 60;

/** Of the open chapter, newest first. */
export async function loadWritten() {
  const [id, of] = [base.value?.id, path()];
  if (!id) return;
  const got = await api.get(`${of}/passages?chapter_id=${id}&limit=${MOST}`).catch(() => null);
  if (got && base.value?.id === id) written.value = got.passages;
}

const chapterId = computed(() => base.value?.id ?? "");
effect(() => {
  written.value = [];
  if (chapterId.value) untracked(loadWritten);
});

/** All that was written for the place of one, oldest first. @param {Passage} one */
export const there = (one) => written.value.filter((other) => other.start === one.start && other.before === one.before && sameKind(one, other)).toReversed();

/** @param {Passage} one @param {Passage} other */
const sameKind = (one, other) => (one.kind === "continue") === (other.kind === "continue");

/** The passage that was written last, of those that stand in the text as the studio has it. */
export const last = computed(() => {
  const text = base.value?.text ?? "";
  return written.value.find((one) => text.startsWith(one.text, placeOf(text, one.start))) ?? null;
});

/** What a model wrote, and what is growing, as the page marks it. */
export const modelMarks = computed(() => {
  const grows = growing.value;
  const one = live.value;
  if (!grows || !one) return marks.value;
  const shift = grows.end - one.end;
  const around = marks.value.flatMap(({ start, end }) => [
    { start, end: Math.min(end, one.start) },
    { start: Math.max(start, one.end) + shift, end: end + shift },
  ]);
  return [...around.filter(({ start, end }) => end > start), grows].sort((a, b) => a.start - b.start);
});
