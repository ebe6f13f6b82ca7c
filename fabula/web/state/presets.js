// Named sets of sampling values, and what choosing one does to a chat's own values. Knows no view.
// @ts-check
import { signal } from "@preact/signals";
import * as api from "../api.js";
import { t } from "../texts.js";
import { changeChat, chat, reload, restoreHere } from "./chat.js";
import { tell, tellError } from "./toasts.js";

/** @import { Preset } from "../types.d.ts" */
/** @typedef {Record<string, any>} Sampling */

/** What a chat keeps when a preset is chosen: these are no matter of taste. */
const KEPT = [
  ...["seed", "max_tokens", "stop", "grammar", "json_schema", "regex", "logprobs"],
  ...["think", "think_effort", "think_budget", "keep_reasoning", "adapters", "control_vectors"],
];

export const presets = signal(/** @type {Preset[] | null} */ (null));

let asked = 0; // the answer to an older question is not shown

export async function loadPresets() {
  const question = (asked += 1);
  try {
    const got = await api.get("/presets");
    if (question === asked) presets.value = got.presets;
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
  const done = await changeChat(({ sampling }) => {
    before = sampling;
    return { sampling: { ...keptOf(before), ...(name ? { preset: name } : {}) } };
  });
  if (!done || done.id !== chat.value?.id || !ownOf(before).length) return;
  tell(t("web.panel.values_replaced"), { action: { label: t("web.undo"), run: restoreHere({ sampling: before }) } });
}

/** One value of the chat's sampling; undefined takes it out. @param {string} name @param {any} value */
export function setSampling(name, value) {
  return changeChat(({ sampling: { [name]: _, ...others } }) => {
    return { sampling: value === undefined ? others : { ...others, [name]: value } };
  });
}

// ── the presets themselves ──────────────────────────────────────────────────────────────────────────

/** What is asked for is done, and the list read again; null when it was refused, which is told. @template Answer @param {() => Promise<Answer>} ask */
async function done(ask) {
  try {
    const answer = await ask();
    await loadPresets();
    return answer ?? true;
  } catch (error) {
    tellError(error);
    return null;
  }
}

/** The values that hold in the chat, as a preset that the chat then uses. @param {string} name @param {string} about @param {boolean} replace */
export async function savePreset(name, about, replace) {
  const { preset: from, ...own } = chat.value?.sampling ?? {};
  const taste = Object.fromEntries(Object.entries(own).filter(([field]) => !KEPT.includes(field)));
  const sampling = { ...presetOf(from)?.sampling, ...taste };
  const saved = await done(() => api.post("/presets", { name, about, sampling, replace }));
  if (!saved) return false;
  await changeChat((now) => ({ sampling: { ...keptOf(now.sampling), preset: name } }));
  tell(t("web.presets.saved", { name }));
  return true;
}

/** @param {Preset} preset @param {string} name @param {string} about */
export async function changePreset(preset, name, about) {
  const changed = await done(() => api.patch(`/presets/${encodeURIComponent(preset.name)}`, { name, about }));
  if (changed && name !== preset.name) await reload(); // the chat follows the name
  return Boolean(changed);
}

/** @param {Preset} preset */
export async function removePreset({ name, about, sampling }) {
  if (!(await done(() => api.remove(`/presets/${encodeURIComponent(name)}`)))) return;
  const run = () => done(() => api.post("/presets", { name, about, sampling, replace: true }));
  tell(t("web.presets.removed", { name }), { action: { label: t("web.undo"), run } });
}

/** A preset file of this or another program. @param {File} file */
export async function importPreset(file) {
  const content = await file.text();
  const name = file.name.replace(/\.[^.]+$/, "");
  const taken = /** @type {any} */ (await done(() => api.post("/presets/import", { content, name })));
  if (!taken) return;
  await usePreset(taken.preset.name);
  const left = taken.left_out.map((/** @type {{key: string}} */ { key }) => key).join(", ");
  tell(left ? t("web.presets.imported_without", { name: taken.preset.name, left }) : t("web.presets.imported", { name: taken.preset.name }));
}

/** As a file that can be imported again. @param {Preset} preset */
export async function exportPreset({ name }) {
  try {
    const content = await api.get(`/presets/${encodeURIComponent(name)}/export`);
    api.saveAs(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }), `${name}.json`);
  } catch (error) {
    tellError(error);
  }
}
