// Files and folders that were dropped or picked, on their way into the studio, and what came of each. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { loadChats } from "./chats.js";
import { packed } from "./zip.js";

/**
 * @typedef {object} Line what came of one file
 * @property {string} name
 * @property {string} told
 * @property {string} [chat] its id
 * @property {boolean} [refused]
 */
/** @typedef {{done: number, total: number, lines: Line[], report: any, problem: any}} Importing */
/** @typedef {{path: string, file: File}} Dropped */

/** What comes in, or came in last; null = nothing. */
export const importing = signal(/** @type {Importing | null} */ (null));

const CARD = /\.(png|apng|webp|charx|ya?ml|byaf)$/i;
const CHAT = /\.(jsonl|zip)$/i;
const TAVERN = /(?:^|\/)(characters|chats|worlds|group chats|settings\.json)(?=\/|$)/;

/** A folder that holds two of what SillyTavern keeps is one of its data folders. @param {Dropped[]} files */
const isTavern = (files) => new Set(files.map(({ path }) => (path.includes("/") ? TAVERN.exec(path)?.[1] : undefined)).filter(Boolean)).size > 1;

/** The files of a drop, those in folders too. @param {any[]} entries files, or what the browser tells of files and folders @returns {Promise<Dropped[]>} */
export async function unfolded(entries) {
  return (await Promise.all(entries.map((entry) => (entry instanceof File ? [{ path: entry.name, file: entry }] : walk(entry, ""))))).flat();
}

/** @param {any} entry @param {string} above @returns {Promise<Dropped[]>} */
async function walk(entry, above) {
  const path = `${above}${entry.name}`;
  if (entry.isFile) return [{ path, file: await new Promise((done, failed) => entry.file(done, failed)) }];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = /** @type {any[]} */ (await new Promise((done, failed) => reader.readEntries(done, failed)));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map((one) => walk(one, `${path}/`)))).flat();
}

/** @param {Dropped[]} files */
export async function take(files) {
  if (!files.length || importing.value?.done === -1) return;
  importing.value = { done: 0, total: files.length, lines: [], report: null, problem: null };
  if (isTavern(files)) await takeFolder(files);
  else await takeFiles(files);
  await loadChats();
}

/** @param {Partial<Importing>} values */
const now = (values) => importing.value && (importing.value = { ...importing.value, ...values });

/** A data folder of SillyTavern goes as one archive. @param {Dropped[]} files */
async function takeFolder(files) {
  try {
    const archive = await packed(files, (done) => now({ done }));
    now({ report: await api.upload("/import/archive", archive), done: files.length });
  } catch (error) {
    now({ problem: error, done: files.length });
  }
}

/** Chats of SillyTavern that branch off each other become one where they come together. @param {Dropped[]} files */
async function takeFiles(files) {
  const together = files.filter(({ path }) => /\.jsonl$/i.test(path));
  if (together.length > 1) await takeTogether(together);
  for (const one of together.length > 1 ? files.filter((file) => !together.includes(file)) : files) {
    const line = await takeOne(one);
    add([line], 1);
  }
}

/** @param {Line[]} lines @param {number} files */
const add = (lines, files) => now({ lines: [...(importing.value?.lines ?? []), ...lines], done: (importing.value?.done ?? 0) + files });

/** @param {Dropped[]} files */
async function takeTogether(files) {
  try {
    const got = await api.upload("/chats/import?name=chats.zip", await packed(files));
    add(got.chats.map(chatLine), files.length);
  } catch {
    for (const one of files) add([await takeOne(one)], 1); // one of them is unreadable: the others come alone
  }
}

/** @param {Dropped} dropped @returns {Promise<Line>} */
async function takeOne({ path, file }) {
  const name = encodeURIComponent(file.name);
  try {
    if (CARD.test(path)) return cardLine(path, await api.upload(`/characters/import?name=${name}`, file));
    const got = await api.upload(`/chats/import?name=${name}`, file);
    return { ...chatLine(got.chats[0]), name: path };
  } catch (error) {
    return CHAT.test(path) || CARD.test(path) ? refused(path, error) : takeOther(path, file, error);
  }
}

/** JSON that is no chat may be a card. @param {string} path @param {File} file @param {any} error @returns {Promise<Line>} */
async function takeOther(path, file, error) {
  try {
    return cardLine(path, await api.upload(`/characters/import?name=${encodeURIComponent(file.name)}`, file));
  } catch {
    return refused(path, error);
  }
}

/** @param {string} name @param {any} error @returns {Line} */
const refused = (name, error) => ({ name, told: error.message, refused: true });

/** @param {string} name @param {any} card @returns {Line} */
const cardLine = (name, card) => ({ name, told: t(card.already ? "web.import.character_already" : "web.import.character", { name: card.name }) });

/** @param {{chat: {id: string, title: string}, program: string, messages: number, files: number, bad: number}} taken @returns {Line} */
function chatLine({ chat, program, messages, files, bad }) {
  const told = t("web.import.chat", { program, messages });
  const more = [files > 1 && t("web.import.files", { files }), bad && t("web.import.bad", { bad })].filter(Boolean);
  return { name: chat.title, told: [told, ...more].join(" · "), chat: chat.id };
}

/** A folder on the studio's own machine. @param {string} folder */
export async function takeFrom(folder) {
  importing.value = { done: -1, total: 1, lines: [], report: null, problem: null };
  await api.post("/import", { folder }).then((report) => now({ report, done: 1 }), (problem) => now({ problem, done: 1 }));
  await loadChats();
}
