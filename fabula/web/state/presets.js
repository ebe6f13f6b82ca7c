// Named sets of sampling values, and what choosing one does to a chat's own values. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { changeChat, chat } from "./chat.js";
import { tell, tellError } from "./toasts.js";

/** @import { Preset } from "../types.d.ts" */
/** @typedef {Record<string, any>} Sampling */

/** What a chat keeps when a preset is chosen: these are no matter of taste. */
const KEPT = [
  ...["seed", "max_tokens", "stop", "grammar", "json_schema", "regex", "logprobs"],
  ...["think", "think_effort", "think_budget", "keep_reasoning", "adapters"],
];

export const presets = signal(/** @type {Preset[] | null} */ (null));

export async function loadPresets() {
  try {
    presets.value = (await api.get("/presets")).presets;
  } catch (error) {
    tellError(error);
  }
}

/** @param {string} name */
export const presetOf = (name) => (presets.value ?? []).find((preset) => preset.name === name);

/** @param {Sampling} sampling */
const keptOf = (sampling) => Object.fromEntries(Object.entries(sampling).filter(([name]) => KEPT.includes(name)));

/** The values that a chat sets itself, over its preset. @param {Sampling} sampling */
export const ownOf = (sampling) => Object.keys(sampling).filter((name) => name !== "preset" && !KEPT.includes(name));

/** Use a preset ("" = none): its values take the place of the chat's own. @param {string} name */
export async function usePreset(name) {
  let before = /** @type {Sampling} */ ({});
  const done = await changeChat(() => {
    before = chat.value?.sampling ?? {};
    return { sampling: { ...keptOf(before), ...(name ? { preset: name } : {}) } };
  });
  if (!done || !ownOf(before).length) return;
  tell(t("web.panel.values_replaced"), { action: { label: t("web.undo"), run: () => changeChat(() => ({ sampling: before })) } });
}

/** One value of the chat's sampling; undefined takes it out. @param {string} name @param {any} value */
export function setSampling(name, value) {
  return changeChat(() => {
    const { [name]: _, ...others } = chat.value?.sampling ?? {};
    return { sampling: value === undefined ? others : { ...others, [name]: value } };
  });
}
