// Evaluations: what the probes ask, and the work that asks them. Knows no view.
// @ts-check
import { computed, signal } from "@preact/signals";
import * as api from "../api.js";
import { jobs } from "./system.js";

/** @import { ProbeOf } from "../types.d.ts" */

const KIND = "probes";
export const probes = signal(/** @type {Record<string, ProbeOf> | null} */ (null));
/** Newest first. */
export const runs = computed(() => jobs.value.filter(({ kind }) => kind === KIND));

/** Once: they are part of the program. */
export async function loadProbes() {
  if (probes.value) return;
  const { probes: told } = await api.get("/evals/probes");
  probes.value = Object.fromEntries(told.map((/** @type {ProbeOf} */ probe) => [probe.probe, probe]));
}
