// One setting of the studio: its field by the kind of its default, what it means, where it comes from, when a change
// holds. Knows no group.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../api.js";
import { newLine } from "../state/line.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Pick, Tick } from "./Kept.js";
import { useHeld } from "./useHeld.js";
import { sentences } from "./words.js";

/** @import { Setting } from "../types.d.ts" */

/** One after the other: each answers with all settings as they are then. */
const inLine = newLine();

/** @param {{setting: Setting, saved: (all: Setting[]) => void}} props */
export function SettingRow({ setting, saved }) {
  const [note, setNote] = useState({ text: "", bad: false });
  const { name, where, about } = setting;
  const fixed = where === "environment" || where === "flag";
  const save = async (/** @type {any} */ next) => {
    try {
      saved((await inLine(() => api.patch("/settings", { [name]: next }))).settings);
      setNote({ text: t("web.settings.saved"), bad: false });
    } catch (error) {
      setNote({ text: /** @type {Error} */ (error).message, bad: true });
    }
  };
  const id = `setting-${name}`;
  const whence = where === "default" ? "" : t(`web.settings.from_${where}`, { name: setting.environment });
  return html`<div class="setting">
    <label class="label" for=${id}><code>${name}</code></label>
    <${Field} id=${id} setting=${setting} disabled=${fixed} wrong=${note.bad} save=${save} />
    <small class="quiet setting-about" id=${`${id}-about`}>${sentences([about, whence, setting.waits || setting.holds === "now" ? "" : t(`web.settings.holds_${setting.holds}`)])}</small>
    <div class="row setting-note" aria-live="polite">
      ${where === "file"
        ? html`<button type="button" class="link-button" onClick=${() => save(null)}>${t("web.settings.reset", { value: shown(setting.default) })}</button>`
        : html`<small class="quiet">${fixed ? t("web.settings.default", { value: shown(setting.default) }) : ""}</small>`}
      ${note.text && html`<span class=${note.bad ? "bad" : "good"}>${note.text}</span>`}
      ${setting.waits && html`<span class="setting-waits">${t("web.settings.waits")}</span>`}
    </div>
  </div>`;
}

/** @param {any} value */
const shown = (value) => (value === "" ? "–" : String(value));

/** @param {{id: string, setting: Setting, disabled: boolean, wrong: boolean, save: (next: any) => void}} props */
function Field({ id, setting, disabled, wrong, save }) {
  const { value, default: usual, choices } = setting;
  const kind = typeof (usual ?? value);
  const common = { id, disabled, title: setting.expected, "aria-describedby": `${id}-about`, "aria-invalid": wrong || undefined };
  if (choices?.length) {
    return html`<${Pick} ...${common} value=${value} save=${save}>
      ${choices.map((choice) => html`<option key=${choice} value=${choice}>${choice || "–"}</option>`)}
    <//>`;
  }
  if (kind === "boolean") return html`<${Tick} ...${common} value=${value} save=${save} />`;
  if (kind === "number" && !setting.is_time) {
    return html`<${Typed} ...${common} value=${value} type="number" step="any" save=${(/** @type {string} */ text) => save(text === "" ? null : Number(text))} />`;
  }
  return html`<${Typed} ...${common} value=${value} type="text" save=${save} />`;
}

/** @param {{value: any, save: (text: string) => void} & Record<string, any>} props */
function Typed({ value, save, ...rest }) {
  const field = useHeld(value ?? "");
  return html`<input ref=${field} ...${rest} class="field" onChange=${(/** @type {any} */ event) => save(event.target.value)} />`;
}
