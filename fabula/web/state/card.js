// The character that is open: its card, what was changed and is on its way to the studio, and the way back. Knows no
// view. Fields that are not known here are never sent, so they stay as they are.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { loadChats } from "./chats.js";
import { whenLeaving } from "./leaving.js";
import { newLine, once } from "./line.js";
import { personaName } from "./prefs.js";
import { goFromHere } from "./route.js";
import { preferredModel, warmUp } from "./system.js";
import { tellError } from "./toasts.js";

/** @import { WholeCharacter } from "../types.d.ts" */
/** @typedef {Record<string, any>} Fields of the card's `data`; null takes one out */

const PAUSE_MS = 700; // in typing

export const character = signal(/** @type {WholeCharacter | null} */ (null));
export const failure = signal(/** @type {Error | null} */ (null));
/** What was changed and is not with the studio yet. */
export const pending = signal(/** @type {Fields} */ ({}));
/** "saved" | "saving" | "conflict" | "failed": how it stands with the last change. */
export const standing = signal("");
export const past = signal(/** @type {Fields[]} */ ([]));
export const future = signal(/** @type {Fields[]} */ ([]));
/** Raised when fields have to show what the studio says in place of what they hold. */
export const renewed = signal(0);

let timer = 0;
let inLine = newLine();

let wanted = ""; // the one that is being looked at

/** @param {string} id */
export async function openCard(id) {
  closeCard();
  wanted = id;
  inLine = newLine();
  try {
    const got = await api.get(`/characters/${encodeURIComponent(id)}`);
    if (wanted === id) [character.value, failure.value] = [got, null];
  } catch (error) {
    if (wanted === id) failure.value = /** @type {Error} */ (error);
  }
}

/** As the studio has it now; what was asked for before a change of it is not taken. */
export async function readAgain() {
  const id = wanted;
  const got = await api.get(`/characters/${encodeURIComponent(id)}`).catch(tellError);
  if (got && character.value?.id === got.id && got.revision >= character.value.revision) character.value = got;
}

/** What is being typed is kept. */
export function closeCard() {
  save();
  wanted = "";
  character.value = null;
  pending.value = {};
  past.value = [];
  future.value = [];
  standing.value = "";
}

/** The card's data with what is on its way. @returns {Fields} */
export function dataNow() {
  const data = { ...(character.value?.card.data ?? {}) };
  for (const [name, value] of Object.entries(pending.value)) {
    if (value === null) delete data[name];
    else data[name] = value;
  }
  return data;
}

/** @param {Fields} fields */
export function edit(fields) {
  pending.value = { ...pending.value, ...fields };
  standing.value = "saving";
  clearTimeout(timer);
  timer = setTimeout(save, PAUSE_MS);
}

/** Other values of some of SillyTavern's extensions; all others stay. @param {Fields} values */
export function editExtensions(values) {
  const extensions = { ...dataNow().extensions, ...values };
  for (const [name, value] of Object.entries(values)) if (value === null) delete extensions[name];
  edit({ extensions });
}

/** Sends what is pending. */
export function save() {
  clearTimeout(timer);
  const fields = pending.value;
  const before = character.value;
  if (!before || !Object.keys(fields).length || standing.value === "conflict") return undefined;
  return inLine(() => send(before.id, fields));
}

whenLeaving(save);

/** @param {string} id @param {Fields} fields @param {boolean} [remember] whether it can be taken back */
async function send(id, fields, remember = true) {
  const now = character.value;
  const open = now?.id === id ? now : null;
  const revision = open?.revision ?? (await api.get(`/characters/${encodeURIComponent(id)}`)).revision;
  try {
    const after = await api.patch(`/characters/${encodeURIComponent(id)}`, { revision, fields });
    if (character.value?.id !== id) return;
    if (open && remember) {
      past.value = [...past.value, valuesOf(open.card.data, fields)].slice(-100);
      future.value = [];
    }
    character.value = after;
    pending.value = Object.fromEntries(Object.entries(pending.value).filter(([name, value]) => fields[name] !== value));
    standing.value = Object.keys(pending.value).length ? "saving" : "saved";
  } catch (error) {
    const refused = /** @type {api.ApiError} */ (error);
    standing.value = refused.code === "character_changed" ? "conflict" : "failed";
    if (standing.value === "failed") tellError(error);
  }
}

/** What the fields were before. @param {Fields} data @param {Fields} fields @returns {Fields} */
const valuesOf = (data, fields) => Object.fromEntries(Object.keys(fields).map((name) => [name, data[name] ?? null]));

/** @param {import("@preact/signals").Signal<Fields[]>} from @param {import("@preact/signals").Signal<Fields[]>} to */
async function step(from, to) {
  await save();
  const now = character.value;
  const fields = from.value.at(-1);
  if (!now || !fields) return;
  const back = valuesOf(now.card.data, fields);
  await inLine(() => send(now.id, fields, false));
  if (standing.value !== "saved") return;
  from.value = from.value.slice(0, -1);
  to.value = [...to.value, back];
  renewed.value += 1;
}

const steps = newLine(); // who presses twice goes two steps
export const undo = () => steps(() => step(past, future));
export const redo = () => steps(() => step(future, past));

/** Somebody else changed the card meanwhile: go on with theirs, or put mine over it. @param {boolean} mine */
export async function settle(mine) {
  const id = character.value?.id ?? "";
  await api.get(`/characters/${encodeURIComponent(id)}`).then((got) => id === wanted && (character.value = got), tellError);
  standing.value = "";
  if (mine) return save();
  pending.value = {};
  renewed.value += 1;
  return undefined;
}

/** Another picture. @param {Blob} content */
export async function draw(content) {
  const now = character.value;
  if (!now) return;
  await save();
  const path = `/characters/${encodeURIComponent(now.id)}/picture?revision=${character.value?.revision}`;
  await inLine(() => api.lay(path, content).then((after) => after.id === wanted && (character.value = after), tellError));
}

/** A new one, open to be written. */
export const makeCharacter = () => once("character", makeOne);

async function makeOne() {
  const goThere = goFromHere();
  const card = { spec: "chara_card_v3", spec_version: "3.0", data: { name: t("web.characters.unnamed") } };
  await api.post("/characters", { card }).then(({ id }) => goThere(`#/characters/${encodeURIComponent(id)}`), tellError);
}

// ── chats ───────────────────────────────────────────────────────────────────────────────────────────

/**
 * A new chat with somebody, with the greeting that is wished, and who the person is in it.
 * @param {string} id @param {{greeting?: number, personaId?: string}} [wishes] */
export async function startChat(id, { greeting = 0, personaId = "" } = {}) {
  const persona = personaName.value ? { name: personaName.value, description: "" } : null;
  const story = personaId ? { persona_id: personaId } : {};
  await once(`chat with ${id}`, () => begin({ character_id: id, persona: personaId ? null : persona, story }, greeting));
}

/** A group chat. @param {import("../types.d.ts").Group} group @param {string} title */
export const startGroup = (group, title) => begin({ title, story: { group } }, 0);

/** @param {Record<string, any>} fields @param {number} greeting */
async function begin(fields, greeting) {
  const model = preferredModel.value;
  const goThere = goFromHere();
  try {
    const chat = await api.post("/chats", { model, ...fields });
    if (model) warmUp(model);
    if (greeting) await greet(chat, greeting);
    goThere(`#/chat/${encodeURIComponent(chat.id)}`);
    void loadChats();
  } catch (error) {
    tellError(error);
  }
}

/** Greetings are alternatives of the first message. @param {import("../types.d.ts").Chat} chat @param {number} greeting */
async function greet({ id, revision }, greeting) {
  const { messages } = await api.get(`/chats/${id}/messages?limit=1`);
  const message_id = messages[0]?.swipe.ids[greeting];
  if (message_id) await api.post(`/chats/${id}/head`, { revision, message_id });
}
