// The memory plan of one model while somebody tries other ways to load it: the question, and the studio's answer to the
// latest one. Knows no view and no formula.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";

/** @import { Fitted } from "../types.d.ts" */

/**
 * @typedef {object} Question what is asked of POST /fit; "" and 0 are not said, null leaves the layers as they are set
 * @property {string} target
 * @property {number} context
 * @property {string} kv_type
 * @property {number} slots
 * @property {number | null} gpu_layers
 * @property {string} quantization
 * @property {string[]} adapters
 * @property {string} draft
 * @property {string} projector
 * @property {number} vram
 * @property {number} ram
 */

const PAUSE_MS = 90; // a slider that moves asks once it rests this long

/** @type {Omit<Question, "target">} */
export const AS_IT_IS = { context: 0, kv_type: "", slots: 0, gpu_layers: null, quantization: "", adapters: [], draft: "", projector: "", vram: -1, ram: 0 };

/** A plan of its own for each page: nothing of it is shared. @param {string} target */
export function newPlan(target) {
  const question = signal(/** @type {Question} */ ({ target, ...AS_IT_IS }));
  const answer = signal(/** @type {Fitted | null} */ (null));
  const failure = signal(/** @type {Error | null} */ (null));
  const pending = signal(false);
  let asking = new AbortController();
  let timer = 0;

  async function ask() {
    asking.abort();
    const mine = (asking = new AbortController());
    pending.value = true;
    try {
      const told = await api.post("/fit", question.value, mine.signal);
      if (mine.signal.aborted) return;
      [answer.value, failure.value] = [told, null];
    } catch (error) {
      if (mine.signal.aborted) return;
      failure.value = /** @type {Error} */ (error);
    }
    pending.value = false;
  }

  /** @param {Partial<Question>} changes */
  function change(changes) {
    question.value = { ...question.value, ...changes };
    pending.value = true;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  }

  function close() {
    clearTimeout(timer);
    asking.abort();
  }

  return { question, answer, failure, pending, ask, change, close };
}

/** @typedef {ReturnType<typeof newPlan>} Plan */

/** What a load is told of it: only what was chosen. @param {Question} question */
export function optionsOf({ context, kv_type, slots, gpu_layers, draft }) {
  const [keys, values] = kv_type.split("/");
  const said = { context: context || null, kv_type: keys || null, kv_type_v: values || null, slots: slots || null, gpu_layers, draft: draft || null };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null));
}

const SMALLEST = 512;
const STEPS = [1, 1.5];

/** Contexts that a slider stops at: powers of two and halfway, up to the largest that makes sense. @param {number} most */
export function contextsUpTo(most) {
  const powers = Array.from({ length: 20 }, (_, power) => SMALLEST * 2 ** power);
  const stops = powers.flatMap((power) => STEPS.map((step) => power * step)).filter((stop) => stop < most);
  return [...stops, most];
}
