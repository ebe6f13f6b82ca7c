// Directions: what was learned, the sets that ship, what can be asked before work begins, one reply with one of them.
// Knows no view.
// @ts-check
import { computed, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { loadChats } from "./chats.js";
import { lastModel, panelOpen } from "./prefs.js";
import { go, goFromHere } from "./route.js";
import { jobs } from "./system.js";
import { tell, tellError } from "./toasts.js";

/** @import { CountedPrompts, Direction, Facts, LookedEdit, ShippedSet } from "../types.d.ts" */
/** @typedef {"add" | "take"} How a control vector adds the trait, an adapter takes it away */

const REGRET_MS = 8000; // as long as the notice stands; the file is there until then
export const KINDS = ["direction", "direction_search", "direction_write", "direction_export"];

export const directions = signal(/** @type {Direction[] | null} */ (null));
export const directionsFailure = signal(/** @type {Error | null} */ (null));
/** Of each other file among them, why it is none. */
export const unreadable = signal(/** @type {string[]} */ ([]));
export const sets = signal(/** @type {ShippedSet[]} */ ([]));
/** Names that are not shown any more. */
const leaving = signal(/** @type {string[]} */ ([]));

export const shown = computed(() => (directions.value ?? []).filter(({ name }) => !leaving.value.includes(name)));
/** Work on directions, newest first. */
export const work = computed(() => jobs.value.filter(({ kind }) => KINDS.includes(kind)));

/** @param {string} name */
const pathOf = (name) => `/directions/${encodeURIComponent(name)}`;
/** @param {string} name @param {string} [part] */
export const pageOf = (name, part = "") => `#/directions/${encodeURIComponent(name)}${part && `/${part}`}`;

export async function loadDirections() {
  try {
    const told = await api.get("/directions");
    directions.value = told.directions;
    unreadable.value = told.unreadable;
    directionsFailure.value = null;
  } catch (error) {
    directionsFailure.value = /** @type {Error} */ (error);
  }
}

/** Once: they come with the studio. */
export async function loadSets() {
  if (!sets.value.length) sets.value = (await api.get("/directions/sets")).sets;
}

/** @param {string} name @returns {Promise<Direction>} */
export const wholeDirection = (name) => api.get(pathOf(name));

/** Every model with why it cannot: learned from, or of a direction heard and written. @param {string} [name] @returns {Promise<Record<string, string>[]>} */
export const chances = async (name = "") => (await api.get(`/directions/models${name && `?direction=${encodeURIComponent(name)}`}`)).models;

/** @param {{text: string, ending: string, column: string, title: string, keep: boolean}} side @param {AbortSignal} [signal] @returns {Promise<CountedPrompts>} */
export const countPrompts = (side, signal) => api.post("/directions/prompts", side, signal);

/** @param {string} name @param {Record<string, any>} asked @param {AbortSignal} signal @returns {Promise<LookedEdit>} */
export const lookAtEdit = (name, { direction: _, ...asked }, signal) => api.post(`${pathOf(name)}/write/look`, asked, signal);

/** Gone when nobody has taken it back. @param {string} name */
export function removeDirection(name) {
  leaving.value = [...leaving.value, name];
  const stay = () => (leaving.value = leaving.value.filter((other) => other !== name));
  const timer = setTimeout(async () => {
    await api.remove(pathOf(name)).catch(tellError);
    await loadDirections();
    stay();
  }, REGRET_MS);
  tell(t("web.directions.removed", { name }), { action: { label: t("web.undo"), run: () => (clearTimeout(timer), stay()) } });
  go("#/directions");
}

// ── heard ───────────────────────────────────────────────────────────────────────────────────────────

/** Both are named at 0 too: nothing is then done. @param {string} name @param {How} how @param {number} scale */
export const trait = (name, how, scale) => ({ [how === "take" ? "adapters" : "control_vectors"]: { [name]: scale } });

/** Whether a model has an adapter of that name that fits. @param {string} name @param {string} model @returns {Promise<boolean>} */
export async function hasAdapter(name, model) {
  if (!model) return false;
  const { adapters } = await api.get(`/models/${encodeURIComponent(model)}/adapters`);
  return adapters.some((/** @type {any} */ one) => one.name === name && !one.misfit && !one.problem);
}

/** At the usual scale 0, so that chats which do not name it stay as they were; one that is attached stays. @param {string} name @param {string} model */
export async function attach(name, model) {
  const path = `/models/${encodeURIComponent(model)}/adapters`;
  const { adapters } = await api.get(path);
  if (!adapters.some((/** @type {any} */ one) => one.name === name && one.attached)) await api.post(`${path}/attach`, { adapter: name, scale: 0 });
}

/**
 * One reply outside any chat, as it is written. Throws what the studio refused.
 * @param {{model: string, prompt: string, sampling: Record<string, any>}} asked @param {(text: string) => void} take @param {AbortSignal} signal @returns {Promise<Facts | null>}
 */
export async function reply({ model, prompt, sampling }, take, signal) {
  let text = "";
  for await (const { kind, data } of api.stream("/generate", { model, messages: [{ role: "user", text: prompt }], sampling }, signal)) {
    if (kind === "text") take((text += data.text));
    else if (kind === "error") throw new Error(data.message);
    else if (kind === "done") return data.facts;
  }
  return null;
}

/** A new chat with the trait at that scale, and its sliders open. @param {string} name @param {string} model @param {How} how @param {number} scale */
export async function chatWith(name, model, how, scale) {
  const goThere = goFromHere();
  try {
    if (how === "take") await attach(name, model);
    const chat = await api.post("/chats", { model, sampling: trait(name, how, scale) });
    lastModel.value = model;
    panelOpen.value = "yes";
    goThere(`#/chat/${chat.id}`);
    void loadChats();
  } catch (error) {
    tellError(error);
  }
}
