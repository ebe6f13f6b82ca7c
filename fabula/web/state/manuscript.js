// The novel or notebook that is open, and one chapter of it as text. What is typed goes to the studio by itself, with the
// revision that was seen; until the studio has it, it is kept in this browser. What others change comes in between.
// Knows no view and no turn.
// @ts-check
import { batch, computed, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { applied, difference, isNothing, marksAfter, marksOf, merged, placeOf, pointsUpTo, told } from "./difference.js";
import { listenFor } from "./events.js";
import { whenLeaving } from "./leaving.js";
import { newLine } from "./line.js";
import { tell, tellError } from "./toasts.js";
import { dropWritten, keepWritten, writtenIn } from "./writingDrafts.js";

/** @import { Chapter, Novel } from "../types.d.ts" */
/** @import { Difference, Mark } from "./difference.js" */
/** @typedef {"novels" | "notebooks"} Kind */
/** A chapter as the studio has it. @typedef {{id: string, version: string, text: string}} Base */
/** @typedef {{id: string, version_id: string, revision: number, text: string, runs: any[]}} Told */

const SAVE_MS = 700; // after the last key
const SAVE_AT_MOST_MS = 4000; // while somebody goes on typing
const AGAIN_MS = [1000, 2000, 5000, 10_000]; // after the studio could not be reached

export const doc = signal(/** @type {Novel | null} */ (null));
export const base = signal(/** @type {Base | null} */ (null));
/** The chapter as it stands on the page. */
export const text = signal("");
/** What a model wrote of it; a frame behind while somebody types. */
export const marks = signal(/** @type {Mark[]} */ ([]));
/** Runs with tokens, as the studio told them last: notebooks show their chances. */
export const runs = signal(/** @type {any[]} */ ([]));
export const failure = signal(/** @type {Error | null} */ (null));
export const state = signal(/** @type {"saved" | "waiting" | "saving" | "away" | "refused" | "conflict"} */ ("saved"));
/** What somebody else has made of the place that is being changed here. */
export const conflict = signal(/** @type {Told | null} */ (null));
/** Where the caret is to go, and that it is to be seen. */
export const wish = signal({ place: 0, end: 0, n: 0 });

export const chapter = computed(() => doc.value?.chapters.find((one) => one.id === base.value?.id) ?? null);
export const kind = signal(/** @type {Kind} */ ("novels"));

let wanted = ""; // the document that is being looked at
let sent = /** @type {Difference | null} */ (null);
let followed = ""; // the text that marks and drafts are of
let line = newLine();
let timer = 0;
let typingSince = 0;
let failures = 0;
let isBusy = () => false;

/** The room of passages tells how to know whether one is being written. @param {() => boolean} ask */
export const askBusy = (ask) => (isBusy = ask);

export const path = () => `/${kind.value}/${wanted}`;
const place = (/** @type {string} */ id) => `${wanted}.${id}`;
/** @param {string} id */
const chapterPath = (id) => (kind.value === "novels" ? `${path()}/chapters/${id}` : `${path()}/text`);
/** @param {string} id */
const textPath = (id) => (kind.value === "novels" ? `${path()}/chapters/${id}/text` : `${path()}/text`);

// ── open ────────────────────────────────────────────────────────────────────────────────────────────

let opening = 0; // the last one that was asked for

/** Show a document at a chapter ("" = where it was left). @param {Kind} of @param {string} id @param {string} chapterId */
export async function open(of, id, chapterId) {
  const mine = ++opening;
  if (wanted !== id) await leave(mine);
  if (mine !== opening) return;
  batch(() => ((kind.value = of), (wanted = id)));
  try {
    if (doc.value?.id !== id) takeDoc(await api.get(path()));
    const chapters = doc.value?.chapters ?? [];
    const left = localStorage.getItem(`fabula.chapter.${id}`);
    const one = chapters.find(({ id }) => id === chapterId) ?? chapters.find(({ id }) => id === left) ?? chapters[0];
    if (mine === opening && one && base.value?.id !== one.id) await show(one.id);
  } catch (error) {
    if (mine === opening) failure.value = /** @type {Error} */ (error);
  }
}

export const close = () => leave(++opening);

/** What was typed last is on its way first; the draft has it anyhow. @param {number} mine */
async function leave(mine) {
  follow();
  if (base.value) await flush();
  if (mine !== opening) return;
  clearTimeout(timer);
  wanted = "";
  line = newLine();
  batch(() => {
    doc.value = null;
    forget();
  });
}

/** No chapter is on the page. */
function forget() {
  [base.value, text.value, marks.value, runs.value, conflict.value, failure.value] = [null, "", [], [], null, null];
  [followed, sent, state.value] = ["", null, "saved"];
}

/** @param {Novel} now */
export function takeDoc(now) {
  if (now.id === wanted && now.revision >= (doc.value?.revision ?? 0)) doc.value = now;
}

/** Put a chapter on the page; what was typed in the one before is on its way. @param {string} id */
export async function show(id) {
  if (await flush()) await load(id);
}

/** @param {string} id */
async function load(id) {
  const mine = wanted;
  const got = told_(id, await api.get(chapterPath(id)));
  if (wanted !== mine) return;
  localStorage.setItem(`fabula.chapter.${mine}`, id);
  batch(() => {
    forget();
    base.value = { id, version: got.version_id, text: got.text };
    [text.value, followed, runs.value, marks.value] = [got.text, got.text, got.runs, marksOf(got.runs)];
  });
  await takeBack(id);
}

/** A notebook does not say which chapter it has. @param {string} id @param {any} got @returns {Told} */
const told_ = (id, got) => ({ ...got, id });

/** What this window, or one that is gone, could not hand over. @param {string} id */
async function takeBack(id) {
  for (const { name, draft } of writtenIn(place(id))) {
    const before = draft.version === base.value?.version ? base.value.text : await oldText(id, draft.version);
    const theirs = base.value?.text ?? "";
    const arrived = draft.sent !== null && applied(before, draft.sent) === theirs;
    const mine = applied(before, draft.change);
    const now = arrived ? mine : merged(before, mine, theirs);
    if (now === null) await bothKept(id, mine);
    else if (now !== theirs) (typed(now), tell(t("web.write.taken_back")));
    follow();
    dropWritten(name);
  }
  follow();
}

/** @param {string} id @param {string} version */
async function oldText(id, version) {
  const got = await api.get(`${chapterPath(id)}?version_id=${version}`).catch(() => null);
  return /** @type {string} */ (got?.text ?? "");
}

/** A text that no longer fits in becomes a version of its own, under the one that is shown. @param {string} id @param {string} mine */
async function bothKept(id, mine) {
  const theirs = /** @type {Base} */ (base.value);
  for (const one of [mine, theirs.text]) {
    const answer = await api.put(textPath(id), { revision: doc.value?.revision, text: one });
    takeDoc(answer.novel);
  }
  base.value = { ...theirs, version: versionOf(id) };
  tell(t("web.write.kept_as_version"));
}

/** @param {string} id */
const versionOf = (id) => doc.value?.chapters.find((one) => one.id === id)?.version_id ?? "";

// ── typing ──────────────────────────────────────────────────────────────────────────────────────────

const isDirty = () => base.value !== null && text.value !== base.value.text;

/** The page says what stands on it now. @param {string} now */
export function typed(now) {
  if (!base.value || now === text.value) return;
  text.value = now;
  if (state.value === "saved") state.value = "waiting";
  soon();
}

let frame = 0;

/** Drafts and marks follow after the page is painted: a key is on the screen at once, however long the chapter. */
function soon() {
  frame ||= requestAnimationFrame(() => setTimeout(follow, 0));
  typingSince ||= performance.now();
  clearTimeout(timer);
  const left = SAVE_AT_MOST_MS - (performance.now() - typingSince);
  timer = setTimeout(flush, Math.max(0, Math.min(SAVE_MS, left)));
}

/** Keep what was typed, and move the marks. */
export function follow() {
  cancelAnimationFrame(frame);
  frame = 0;
  if (!base.value) return;
  if (followed !== text.value) {
    marks.value = marksAfter(marks.value, difference(followed, text.value));
    followed = text.value;
  }
  const change = difference(base.value.text, text.value);
  keepWritten(place(base.value.id), isNothing(change) ? null : { version: base.value.version, change, sent });
}

whenLeaving(() => (follow(), flush()));

// ── handing over ────────────────────────────────────────────────────────────────────────────────────

/** Hand over what was typed. Answers whether the studio has it all. @returns {Promise<boolean>} */
export function flush() {
  clearTimeout(timer);
  typingSince = 0;
  return line(handOver);
}

async function handOver() {
  while (isDirty() && !conflict.value) if (!(await put())) return false;
  if (!conflict.value && base.value) state.value = "saved";
  return !conflict.value;
}

async function put() {
  const from = /** @type {Base} */ (base.value);
  const now = text.value;
  sent = difference(from.text, now);
  follow();
  state.value = "saving";
  try {
    const answer = await api.put(textPath(from.id), { revision: doc.value?.revision, ...told(from.text, sent) });
    failures = 0;
    arrived(answer.novel, { ...from, text: now });
    return true;
  } catch (error) {
    return notTaken(error);
  }
}

/** @param {Novel} novel @param {Base} now */
function arrived(novel, now) {
  takeDoc(novel);
  base.value = { ...now, version: versionOf(now.id) };
  sent = null;
  follow();
}

/** @param {unknown} error */
function notTaken(error) {
  const status = error instanceof api.ApiError ? error.status : 0;
  if (status === 409) return readAgain(true).then(() => !conflict.value, notTaken);
  state.value = status === 0 || status >= 500 ? "away" : "refused";
  if (state.value === "refused") tellError(error);
  else timer = setTimeout(flush, AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
  return false;
}

// ── what others change ──────────────────────────────────────────────────────────────────────────────

/** Read the document again, and the chapter if it is another one now. @param {boolean} [always] the chapter too @param {() => unknown} [too] what changes with it */
async function readAgain(always = false, too = () => null) {
  const now = await api.get(path());
  if (now.id !== wanted || !base.value) return;
  const id = base.value.id;
  const info = now.chapters.find((/** @type {Chapter} */ one) => one.id === id);
  const got = info && (always || info.version_id !== base.value.version) ? told_(id, await api.get(chapterPath(id))) : null;
  batch(() => {
    takeDoc(now);
    if (got) adopt(got);
    too();
  });
  if (!info) await load(now.chapters[0].id);
}

/** Take in the chapter as the studio has it now; what was typed here stays in it. @param {Told} got */
function adopt(got) {
  const from = base.value;
  if (!from || from.id !== got.id) return;
  follow();
  const known = sent && applied(from.text, sent) === got.text ? got.text : from.text;
  const now = merged(known, text.value, got.text);
  if (now === null) {
    batch(() => ((conflict.value = got), (state.value = "conflict")));
    return;
  }
  sent = null;
  batch(() => {
    base.value = { id: got.id, version: got.version_id, text: got.text };
    runs.value = got.runs;
    marks.value = marksAfter(marksOf(got.runs), difference(got.text, now));
    [text.value, followed] = [now, now];
  });
  follow();
}

/** Both are kept: one is shown, the other is a version under it. @param {"mine" | "theirs"} which */
export function resolve(which) {
  return line(async () => {
    const got = conflict.value;
    if (!got) return;
    const [mine, now] = [text.value, await api.get(path())];
    takeDoc(now);
    batch(() => {
      conflict.value = null;
      base.value = { id: got.id, version: got.version_id, text: got.text };
    });
    sent = null;
    if (which === "theirs" && mine !== got.text && (await put())) text.value = got.text;
    await handOver();
  }).catch(tellError);
}

/** Read again what may be another one by now, one thing after the other. */
export const catchUp = () => line(() => (doc.value && !isBusy() ? readAgain() : null)).catch(() => null);

/** Read it all again, and change something with it. Answers whether the studio could be reached. @param {() => unknown} too */
export const renew = (too) => line(() => readAgain(true, too)).then(() => true, () => false);

listenFor("novel", ({ id, revision, deleted, turn_id: turn }) => {
  if (id === wanted && !deleted && (turn || revision > (doc.value?.revision ?? 0))) catchUp();
});
listenFor("open", () => {
  if (!wanted) return;
  if (state.value === "away") void flush();
  catchUp();
});

// ── other changes ───────────────────────────────────────────────────────────────────────────────────

/**
 * Change the document, when what was typed has arrived: one change after the other, with the revision that the one before
 * has brought. Who saw an older one asks again where nothing of what is changed is another one by now. Null when it did
 * not happen.
 * @template Answer
 * @param {(revision: number) => Promise<Answer>} ask
 * @param {(now: Novel) => unknown} [of] what of the document is changed
 * @returns {Promise<Answer | null>}
 */
export function change(ask, of = () => null) {
  const id = wanted;
  return line(async () => {
    if (!doc.value || id !== wanted || !(await handOver())) return null;
    const before = JSON.stringify(of(doc.value));
    try {
      return await ask(doc.value.revision);
    } catch (error) {
      const isStale = error instanceof api.ApiError && error.code === "novel_changed";
      if (isStale) await readAgain();
      if (isStale && JSON.stringify(of(doc.value)) === before) return ask(doc.value.revision);
      throw error;
    }
  }).catch((error) => (tellError(error), null));
}

/**
 * Title, model, sampling or some settings. What is worked out from the document as it is is a function: it is asked when
 * the changes before it have been taken in, so that none of several in a row undoes another.
 * @param {Record<string, any> | ((now: Novel) => Record<string, any>)} values
 */
export async function set(values) {
  const wanted = () => (typeof values === "function" ? values(/** @type {Novel} */ (doc.value)) : values);
  const of = (/** @type {any} */ now) => Object.entries(wanted()).map(([name, value]) => (name === "settings" ? Object.keys(value).map((one) => now.settings[one]) : now[name]));
  const ask = (/** @type {number} */ revision) => api.patch(path(), { revision, ...wanted() }).then((now) => (takeDoc(now), now));
  return (await change(ask, typeof values === "function" ? undefined : of)) !== null;
}

/** @param {Record<string, any> | ((now: Novel) => Record<string, any>)} settings */
export const setSettings = (settings) => set(typeof settings === "function" ? (now) => ({ settings: settings(now) }) : { settings });

/** Undo or redo, whatever was done. @param {"undo" | "redo"} way */
export async function back(way) {
  const answer = await change((revision) => api.post(`${path()}/${way}`, { revision }));
  if (answer) await changed(answer);
}

/** What an undo, a choice or a pick has brought. @param {{novel: Novel, chapter_id: string, start: number, removed: number, inserted: string}} answer */
export async function changed({ novel, chapter_id: id, start, inserted }) {
  takeDoc(novel);
  const there = novel.chapters.some((one) => one.id === id);
  const open = base.value?.id ?? "";
  try {
    if (there && id !== open) await show(id);
    else if (!novel.chapters.some((one) => one.id === open)) await show(novel.chapters[0].id);
    else await line(() => readAgain(true));
  } catch (error) {
    tellError(error); // it was done; it is read when the studio is back
  }
  if (!there || !(inserted || start)) return;
  const from = placeOf(text.value, start);
  lookAt(from + inserted.length);
}

/** Move the caret. @param {number} at @param {number} [end] */
export const lookAt = (at, end = at) => (wish.value = { place: at, end, n: wish.value.n + 1 });

/** A place of the page as the studio counts. @param {number} at */
export const points = (at) => pointsUpTo(text.value, at);
/** How many characters a text has, as the studio counts. @param {string} piece */
export const pointsIn = (piece) => pointsUpTo(piece, piece.length);
export { placeOf };
