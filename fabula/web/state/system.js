// The machine, its models and its downloads, as the studio tells them. Knows no view.
// @ts-check
import { computed, signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { lastModel } from "./prefs.js";
import { tell, tellError } from "./toasts.js";

/** @import { Job, Model, Running, System } from "../types.d.ts" */

export const system = signal(/** @type {System | null} */ (null));
export const models = signal(/** @type {Model[] | null} */ (null));
export const running = signal(/** @type {Running[]} */ ([]));
export const jobs = signal(/** @type {Job[]} */ ([]));
export const failure = signal(/** @type {Error | null} */ (null));
/** Which job fetches which source, for as long as this page lives. */
export const fetching = signal(/** @type {Record<string, string>} */ ({}));

export const usable = computed(() => (models.value ?? []).filter((model) => !model.problem));
export const onlyStarter = computed(() => usable.value.length > 0 && usable.value.every((model) => model.is_starter));
export const activeJobs = computed(() => jobs.value.filter((job) => job.state === "queued" || job.state === "running"));

/** What a new chat starts with: the model used last, else the first that is not the starter, else the starter. */
export const preferredModel = computed(() => {
  const names = usable.value.map((model) => model.name);
  return names.includes(lastModel.value) ? lastModel.value : (names[0] ?? "");
});

/** @param {string} name */
export const modelOf = (name) => (models.value ?? []).find((model) => model.name === name);

/** When something of these was heard last, and which of several answers is the newest: late ones are older than events. */
const heard = { running: 0, jobs: new Map() };
const answered = { system: 0, models: 0 };

export async function loadSystem() {
  const askedAt = performance.now();
  try {
    const { models: list, jobs: work = [], ...about } = await api.get("/system?also=models&also=jobs");
    takeModels(list, askedAt);
    if (askedAt < answered.system) return;
    answered.system = askedAt;
    system.value = { ...about, asked_at: askedAt };
    if (askedAt >= heard.running) running.value = about.running;
    const news = jobs.value.filter(({ id }) => (heard.jobs.get(id) ?? 0) > askedAt);
    jobs.value = inOrder([...news, ...work.filter((/** @type {Job} */ job) => !news.some(({ id }) => id === job.id))]);
    failure.value = null;
  } catch (error) {
    failure.value = /** @type {Error} */ (error);
  }
}

/** @param {Model[]} list @param {number} askedAt */
function takeModels(list, askedAt) {
  if (askedAt < answered.models) return;
  answered.models = askedAt;
  models.value = list;
}

/** A model was loaded, unloaded or appeared. @param {Running[]} now */
export async function modelsChanged(now) {
  running.value = now;
  const askedAt = (heard.running = performance.now());
  const list = await api.get("/models").catch(() => null); // a studio that went away is read again when it is back
  if (list) takeModels(list.models, askedAt);
}

/** The one that began last first. @param {Job[]} list */
const inOrder = (list) => list.sort((a, b) => b.created_at - a.created_at);

/** An answer may come after newer news. @param {Job} job */
export function jobChanged(job) {
  const before = jobs.value.find((other) => other.id === job.id);
  if (before && job.updated_at < before.updated_at) return;
  heard.jobs.set(job.id, performance.now());
  const others = jobs.value.filter((other) => other.id !== job.id);
  jobs.value = inOrder([job, ...others]);
  if (before?.state !== "done" && job.state === "done") pullDone(job);
}

/** @param {Job} job */
function pullDone(job) {
  if (job.kind !== "pull") return;
  tell(t("web.home.pulled", { name: job.result.name ?? job.title }));
  loadSystem();
}

/** @param {string} source */
export async function pull(source) {
  try {
    const job = await api.post("/models/pull", { source });
    fetching.value = { ...fetching.value, [source]: job.id };
    jobChanged(job);
  } catch (error) {
    tellError(error);
  }
}

/** @param {Job} job @param {"cancel" | "resume"} verb */
export async function jobDo(job, verb) {
  try {
    jobChanged(await api.post(`/jobs/${job.id}/${verb}`));
  } catch (error) {
    tellError(error);
  }
}

/** The one that was written last first; null until they are known. Home is there without them. */
export const novels = signal(/** @type {{id: string, title: string, updated_at: number}[] | null} */ (null));

export async function loadNovels() {
  const told = await api.get("/novels").catch(() => null);
  if (told) novels.value = [...told.novels].sort((a, b) => b.updated_at - a.updated_at);
}

/** @param {string} name */
export async function unload(name) {
  try {
    await api.post(`/models/${encodeURIComponent(name)}/unload`);
    await loadSystem();
  } catch (error) {
    tellError(error);
  }
}

/** Get the model ready while the person thinks of what to say. Errors show when a message is sent. @param {string} name */
export function warmUp(name) {
  api.post(`/models/${encodeURIComponent(name)}/load`).catch(() => null);
}
