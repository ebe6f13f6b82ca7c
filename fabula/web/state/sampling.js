// The controls of the sampling, what holds for each in the open chat, and from where. Knows no view.
// @ts-check
import { computed, effect, signal } from "@preact/signals";
import * as api from "../api.js";
import { language } from "../texts.js";
import { chat } from "./chat.js";
import { presetOf, presets, setSampling } from "./presets.js";
import { tellError } from "./toasts.js";

/** @import { Knob, Knobs } from "../types.d.ts" */
/** @typedef {"chat" | "preset" | "default"} Where */

export const knobs = signal(/** @type {Knobs | null} */ (null));

/** Values that are being dragged, and not saved yet. */
export const drafts = signal(/** @type {Record<string, any>} */ ({}));

/** All values that would hold now: the chat's own, with what is being dragged. */
export const tried = computed(() => {
  const own = { ...(chat.value?.sampling ?? {}), ...drafts.value };
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
});

/** The preset's values, where one is chosen. */
export const fromPreset = computed(() => (presets.value && presetOf(chat.value?.sampling.preset)?.sampling) || {});

let asked = "";

/** Read them for a model, in the reader's language. @param {string} model */
export async function loadKnobs(model) {
  const wanted = `${language.value} ${model}`;
  if (asked === wanted) return;
  asked = wanted;
  try {
    const got = await api.get(model ? `/sampling?model=${encodeURIComponent(model)}` : "/sampling");
    if (asked === wanted) knobs.value = got;
  } catch (error) {
    asked = "";
    if (!knobs.value && model) return void loadKnobs("");
    tellError(error);
  }
}

/** What holds for a knob, and where it is set. @param {Knob} knob @returns {{value: any, where: Where}} */
export function holds({ name, usual }) {
  const own = tried.value[name];
  if (own !== undefined) return { value: own, where: "chat" };
  const preset = /** @type {Record<string, any>} */ (fromPreset.value)[name];
  return preset === undefined ? { value: usual, where: "default" } : { value: preset, where: "preset" };
}

/** What would hold without the chat's own value. @param {Knob} knob */
export const without = ({ name, usual }) => /** @type {Record<string, any>} */ (fromPreset.value)[name] ?? usual;

/** @param {any} one @param {any} other */
export const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/** Whether it does anything: not at its neutral value. @param {Knob} knob */
export const isOn = (knob) => !same(holds(knob).value, knob.neutral) && !same(holds(knob).value, knob.usual);

/** The knob without which this one does nothing, while it does nothing. @param {Knob} knob */
export function waitsFor({ needs }) {
  const others = (knobs.value?.knobs ?? []).filter((one) => needs.includes(one.name));
  return others.every((one) => same(holds(one).value, one.neutral)) ? (others[0] ?? null) : null;
}

/** The last change of each value, while it is on its way. @type {Map<string, object>} */
const saving = new Map();

/** Shown at once, saved when the hand lets go. @param {string} name @param {any} value */
export function drag(name, value) {
  saving.delete(name);
  drafts.value = { ...drafts.value, [name]: value };
}

/** The chat's own value; what would hold without it needs none. @param {Knob} knob @param {any} value undefined: none of its own */
export async function set(knob, value) {
  const own = value === undefined || same(value, without(knob)) ? undefined : value;
  drag(knob.name, own);
  const mine = {};
  saving.set(knob.name, mine);
  await setSampling(knob.name, own);
  if (saving.get(knob.name) === mine) drop(knob.name); // else another has been chosen meanwhile
}

/** @param {string} name */
function drop(name) {
  if (!(name in drafts.value)) return;
  const { [name]: _, ...others } = drafts.value;
  drafts.value = others;
}

const openId = computed(() => chat.value?.id); // not the chat itself, which changes under the hand that drags
effect(() => {
  openId.value; // another chat: nothing of this one is dragged any more
  if (Object.keys(drafts.peek()).length) drafts.value = {};
});
