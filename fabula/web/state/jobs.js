// Work of any kind: which kinds there are, one begun, one looked at. Knows no kind and no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { language } from "../texts.js";
import { jobChanged } from "./system.js";

/** @import { Job, JobKind, JobPage } from "../types.d.ts" */

export const kinds = signal(/** @type {JobKind[] | null} */ (null));
export const kindsFailure = signal(/** @type {Error | null} */ (null));
let told = ""; // the language of the kinds that are here

/** Once for each language. */
export async function loadKinds() {
  if (told === language.value && kinds.value) return;
  const asked = language.value;
  try {
    const answer = await api.get("/jobs/kinds");
    if (asked !== language.value) return;
    [kinds.value, kindsFailure.value, told] = [answer.kinds, null, asked];
  } catch (error) {
    kindsFailure.value = /** @type {Error} */ (error);
  }
}

/** @param {string} kind */
export const kindOf = (kind) => kinds.value?.find((row) => row.kind === kind);

/** @param {string} kind @param {Record<string, any>} values @returns {Promise<Job>} */
export async function begin(kind, values) {
  const job = await api.post("/jobs", { kind, arguments: values });
  jobChanged(job);
  return job;
}

/** @param {string} id @returns {Promise<JobPage>} */
export const jobPage = (id) => api.get(`/jobs/${encodeURIComponent(id)}`);

/** @param {string} id @returns {Promise<{text: string, size: number}>} */
export const jobLog = (id) => api.get(`/jobs/${encodeURIComponent(id)}/log`);
