// Chooses the preset of the open chat and tells what it sets. Knows the open chat's sampling.
// @ts-check
import { useEffect } from "preact/hooks";
import { loadPresets, ownOf, presetOf, presets, usePreset } from "../state/presets.js";
import { t } from "../texts.js";
import { html } from "./html.js";

/** @param {{sampling: Record<string, any>, shown: string[]}} props `shown` are the values that have a control of their own */
export function PresetPicker({ sampling, shown }) {
  useEffect(() => {
    loadPresets();
  }, []);
  const name = sampling.preset ?? "";
  const preset = presetOf(name);
  const gone = Boolean(name && presets.value && !preset);
  const others = Object.entries(preset?.sampling ?? {}).filter(([key]) => !shown.includes(key));
  return html`<div class="block">
    <label class="block">
      <span class="label">${t("web.panel.preset")}</span>
      <select class="field" value=${name} onChange=${(/** @type {any} */ event) => usePreset(event.target.value)}>
        <option value="">${t("web.panel.preset_none")}</option>
        ${name && !preset && html`<option value=${name}>${gone ? t("web.panel.preset_gone", { name }) : name}</option>`}
        ${(presets.value ?? []).map((item) => html`<option key=${item.name} value=${item.name}>${item.title}</option>`)}
      </select>
    </label>
    <small class=${gone ? "bad" : "quiet"}>${gone ? t("web.panel.preset_gone_about") : preset ? preset.about : t("web.panel.preset_none_about")}</small>
    ${others.length > 0 && html`<details class="preset-more"><summary>${t("web.panel.preset_more")}</summary>
      <code>${others.map(([key, value]) => `${key} ${value}`).join(" · ")}</code></details>`}
    ${ownOf(sampling).length > 0 && html`<button type="button" class="link-button" onClick=${() => usePreset(name)}>${t(name ? "web.panel.preset_back" : "web.panel.preset_back_none")}</button>`}
  </div>`;
}
