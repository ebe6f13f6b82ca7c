// What holds in the open chat's story, and what it can be told with: lorebooks, personas, templates. Knows no view.
// @ts-check
import { effect, signal, untracked } from "@preact/signals";
import * as api from "../api.js";
import { change, chat, holds, page } from "./chat.js";
import { tellError } from "./toasts.js";
import { ended } from "./turn.js";

/** @import { Character, Lorebook, Persona, Story } from "../types.d.ts" */

export const story = signal(/** @type {Story | null} */ (null));
export const lorebooks = signal(/** @type {Lorebook[] | null} */ (null));
export const personas = signal(/** @type {Persona[] | null} */ (null));
export const templates = signal(/** @type {{form: string, name: string}[]} */ ([]));
export const everyone = signal(/** @type {Character[]} */ ([]));

/** Whether somebody speaks in a chat other than the model as itself. @param {import("../types.d.ts").Chat | null} now */
export const isStory = (now) => Boolean(now && (now.character_id || now.story?.group));

const asked = { lorebooks: 0, personas: 0 }; // the answer to an older question is not shown

export async function loadLorebooks() {
  const question = (asked.lorebooks += 1);
  await api.get("/lorebooks").then((got) => question === asked.lorebooks && (lorebooks.value = got.lorebooks), tellError);
}

export async function loadPersonas() {
  const question = (asked.personas += 1);
  await api.get("/personas").then((got) => question === asked.personas && (personas.value = got.personas), tellError);
}

export async function loadEveryone() {
  await api.get("/characters?limit=500").then((got) => (everyone.value = got.characters), tellError);
}

/** All that the chat's panel chooses from. */
export async function loadChoices() {
  const names = api.get("/templates").then((got) => {
    const ours = Object.entries(got.built_in).flatMap(([form, names]) => names.map((/** @type {string} */ name) => ({ form, name })));
    templates.value = [...got.templates, ...ours];
  }, tellError);
  await Promise.all([loadLorebooks(), loadPersonas(), loadEveryone(), names]);
}

// The settings of the chat that is open; another window may change them.
effect(() => {
  const now = chat.value;
  if (!isStory(now)) story.value = story.peek()?.chat === now?.id ? story.peek() : null;
  else untracked(() => read(/** @type {import("../types.d.ts").Chat} */ (now)));
});

/** The settings of a chat in which the model speaks as itself are read only where they are looked at. @param {import("../types.d.ts").Chat} now */
export const readStory = (now) => read(now);

/** @param {import("../types.d.ts").Chat} now */
async function read(now) {
  if (story.value?.revision === now.revision && story.value?.chat === now.id) return;
  try {
    const got = await api.get(`/chats/${now.id}/story`);
    const known = story.value?.chat === now.id ? story.value.revision : -1;
    if (chat.value?.id === now.id && got.revision >= known) story.value = { ...got, chat: now.id };
  } catch (error) {
    tellError(error);
  }
}

// What a turn brought is shown as the regex scripts for the screen want it.
effect(() => {
  if (ended.value.n && untracked(() => isStory(chat.value))) untracked(showLast);
});

async function showLast() {
  const id = chat.value?.id;
  const got = await api.get(`/chats/${id}/messages?limit=2`).catch(() => null);
  /** @type {Map<string, string>} */
  const texts = new Map((got?.messages ?? []).filter((/** @type {any} */ one) => one.shown).map((/** @type {any} */ one) => [one.id, one.shown]));
  if (!texts.size || chat.value?.id !== id) return;
  const messages = page.value.messages.map((one) => (texts.has(one.id) ? { ...one, shown: texts.get(one.id) } : one));
  page.value = { ...page.value, messages };
}

/** Whether the model is writing what the person might say. */
export const writing = signal(false);

/** What the person might say next; "" where the model failed. */
export async function writeForMe() {
  const id = chat.value?.id;
  writing.value = true;
  const answer = await api.post(`/chats/${id}/aside`, { kind: "impersonate" }).catch((error) => (tellError(error), null));
  writing.value = false;
  return /** @type {string} */ (answer?.text ?? "");
}

/**
 * Other values of some settings. What is worked out from the settings as they are is a function: it is asked when the
 * changes before it have been taken in, so that none of several in a row undoes another. What is so already is not sent.
 * @param {Partial<Story> | ((now: Story) => Partial<Story>)} values
 */
export function setStory(values) {
  const ask = async (/** @type {number} */ revision, /** @type {string} */ id, /** @type {import("../types.d.ts").Chat} */ whose) => {
    const known = story.value?.chat === id ? story.value : null; // another one may be open by now
    const now = /** @type {Story} */ (known ?? { ...(await api.get(`/chats/${id}/story`)), chat: id });
    const wanted = typeof values === "function" ? values(now) : values;
    const whole = wanted.note ? { ...wanted, note: { ...now?.note, ...wanted.note } } : wanted;
    return holds(now, whole) ? whose : api.patch(`/chats/${id}/story`, { revision, ...wanted });
  };
  return change(ask, async (now) => {
    await read(now);
    if (chat.value?.id === now.id) chat.value = now;
  });
}
