// Models that are not here yet: what is recommended, what hubs have, what is on its way. Knows no view.
// @ts-check
import { effect, signal } from "@preact/signals";
import * as api from "../api.js";
import { jobChanged, jobs, loadSystem } from "./system.js";
import { tellError } from "./toasts.js";

/** @import { Advice, Download, Found, Offers, Place } from "../types.d.ts" */

export const GIB = 2 ** 30;
export const HERE = -1; // this machine's own memory

/** What somebody looks for. `vram` and `ram` in GiB. */
export const wish = signal({ task: "chat", language: "", context: 8192, vram: HERE, ram: HERE });
export const advice = signal(/** @type {Advice | null} */ (null));
export const adviceFailure = signal(/** @type {Error | null} */ (null));
let asked = 0; // the answer to an older question is not shown

/** @param {Partial<typeof wish.value>} changes */
export function wishFor(changes) {
  wish.value = { ...wish.value, ...changes };
  return advise();
}

export async function advise() {
  const question = (asked += 1);
  const { task, language, context, vram, ram } = wish.value;
  const machine = { ...(vram === HERE ? {} : { vram: vram * GIB }), ...(ram === HERE ? {} : { ram: ram * GIB }) };
  try {
    const answer = await api.post("/recommend", { task, language, context, ...machine });
    if (question !== asked) return;
    advice.value = answer;
    adviceFailure.value = null;
  } catch (error) {
    if (question === asked) adviceFailure.value = /** @type {Error} */ (error);
  }
}

// ── hubs ────────────────────────────────────────────────────────────────────────────────────────────

export const search = signal({ text: "", hub: "hf", fits: true });
export const found = signal(/** @type {Found[] | null} */ (null));
export const searching = signal(false);
export const searchFailure = signal(/** @type {Error | null} */ (null));
/** Per source: what its repository offers, null while that is asked, or why it cannot be told. */
export const offers = signal(/** @type {Record<string, Offers | Error | null>} */ ({}));

export async function searchHub() {
  const { text, hub, fits } = search.value;
  if (!text.trim() || searching.value) return;
  searching.value = true;
  searchFailure.value = null;
  try {
    found.value = (await api.get(`/search?text=${encodeURIComponent(text.trim())}&hub=${hub}&fits=${fits}`)).found;
  } catch (error) {
    searchFailure.value = /** @type {Error} */ (error);
  }
  searching.value = false;
}

/** @param {string} source */
export async function lookInto(source) {
  const set = (/** @type {Offers | Error | null} */ answer) => (offers.value = { ...offers.value, [source]: answer });
  set(null);
  await api.get(`/search/offers?of=${encodeURIComponent(source)}`).then(set, set);
}

// ── downloads ───────────────────────────────────────────────────────────────────────────────────────

export const downloads = signal(/** @type {Download[]} */ ([]));
export const free = signal(0);

let read = 0; // the same for what is on its way

export async function loadDownloads() {
  const question = (read += 1);
  const answer = await api.get("/downloads").catch(() => null); // a studio that went away is asked again when it is back
  if (answer && question === read) show(answer);
}

/** @param {{downloads: Download[], free: number}} answer */
function show(answer) {
  downloads.value = answer.downloads;
  free.value = answer.free;
}

/** @param {string} source */
export async function fetchModel(source) {
  try {
    jobChanged(await api.post("/downloads", { source }));
    await loadDownloads();
  } catch (error) {
    tellError(error);
  }
}

/** @param {Download} download @param {"pause" | "resume" | "cancel" | "first"} verb */
export async function downloadDo({ id }, verb) {
  const path = `/downloads/${encodeURIComponent(id)}`;
  try {
    if (verb === "first") show(await api.post(`${path}/move`, { position: 1 }));
    else jobChanged(await (verb === "cancel" ? api.remove(path) : api.post(`${path}/${verb}`)));
    await loadDownloads();
  } catch (error) {
    tellError(error);
  }
}

// The queue is read again when a job of it begins, ends or waits; between, the job's own progress is shown.
let states = "";
effect(() => {
  const pulls = jobs.value.filter((job) => job.kind === "pull");
  const now = pulls.map((job) => `${job.id}:${job.state}`).join();
  if (now === states) return;
  states = now;
  loadDownloads();
});

// ── other programs ──────────────────────────────────────────────────────────────────────────────────

export const places = signal(/** @type {Place[]} */ ([]));

export async function loadPlaces() {
  const before = places.value;
  const got = await api.get("/places").catch(() => ({ places: [] }));
  if (places.value === before) places.value = got.places; // else they have been changed since
}

/** @param {Place} place */
export async function togglePlace({ place, used }) {
  try {
    places.value = (await api.post(used ? "/places/forget" : "/places", { place })).places;
    await loadSystem();
  } catch (error) {
    tellError(error);
  }
}
