// Presets: choose one, keep the chat's values as one, rename, remove, take from a file and give as one. Knows the open
// chat's sampling.
// @ts-check
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { changePreset, exportPreset, importPreset, loadPresets, ownOf, presetOf, presets, removePreset, savePreset, usePreset } from "../state/presets.js";
import { t } from "../texts.js";
import { Dialog } from "./Dialog.js";
import { html } from "./html.js";
import { Icon, usePress } from "./Icon.js";
import { Pick } from "./Kept.js";
import { Menu } from "./Menu.js";

/** @import { Preset } from "../types.d.ts" */

/** What is being named: a new preset, or one that is there. */
const naming = signal(/** @type {{preset: Preset | null} | null} */ (null));

/** @param {{sampling: Record<string, any>}} props */
export function PresetPicker({ sampling }) {
  useEffect(() => {
    loadPresets();
  }, []);
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const name = sampling.preset ?? "";
  const preset = presetOf(name);
  const gone = Boolean(name && presets.value && !preset);
  const own = preset && !preset.built_in ? preset : undefined;
  const changed = ownOf(sampling).length > 0;
  const items = [
    { icon: "plus", label: t("web.presets.save_as"), run: () => (naming.value = { preset: null }) },
    ...(own && changed ? [{ icon: "check", label: t("web.presets.update", { name: own.title }), run: () => savePreset(own.name, own.about, true) }] : []),
    ...(own ? [{ icon: "edit", label: t("web.presets.rename"), run: () => (naming.value = { preset: own }) }] : []),
    { icon: "get", label: t("web.presets.import"), note: t("web.presets.import_about"), run: () => file.current?.click() },
    ...(preset ? [{ icon: "away", label: t("web.presets.export"), run: () => exportPreset(preset) }] : []),
    ...(own ? [{ icon: "trash", label: t("web.presets.remove"), run: () => removePreset(own) }] : []),
  ];
  return html`<div class="block">
    <div class="preset-line">
      <label class="block">
        <span class="label">${t("web.panel.preset")}</span>
        <${Pick} value=${name} save=${usePreset}>
          <option value="">${t("web.panel.preset_none")}</option>
          ${name && !preset && html`<option value=${name}>${gone ? t("web.panel.preset_gone", { name }) : name}</option>`}
          ${(presets.value ?? []).map((item) => html`<option key=${item.name} value=${item.name}>${item.title}</option>`)}
        <//>
      </label>
      <${Menu} label=${t("web.presets.menu")} items=${items}><${Icon} name="more" /><//>
    </div>
    <small class=${gone ? "bad" : "quiet"}>${gone ? t("web.panel.preset_gone_about") : preset ? preset.about : t("web.panel.preset_none_about")}</small>
    ${changed && html`<button type="button" class="link-button" onClick=${() => usePreset(name)}>${t(name ? "web.panel.preset_back" : "web.panel.preset_back_none")}</button>`}
    <input ref=${file} type="file" class="sr-only" tabindex="-1" aria-label=${t("web.presets.import")} accept=".json,.settings,.yaml,.yml,.preset,.txt" onChange=${take} />
    ${naming.value && html`<${Naming} preset=${naming.value.preset} />`}
  </div>`;
}

/** @param {any} event */
async function take(event) {
  const [chosen] = event.target.files;
  if (chosen) await importPreset(chosen);
  event.target.value = "";
}

/** @param {{preset: Preset | null}} props null: a new one, of the chat's values */
function Naming({ preset }) {
  const close = () => (naming.value = null);
  const mine = naming.value;
  const [saves, save] = usePress(async (/** @type {any} */ event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const [name, about] = [`${given.get("name")}`.trim(), `${given.get("about")}`.trim()];
    const done = preset ? await changePreset(preset, name, about) : await savePreset(name, about, false);
    if (done && naming.value === mine) close();
  });
  const title = t(preset ? "web.presets.rename" : "web.presets.save_as");
  return html`<${Dialog} title=${title} close=${close}>
    <form class="block" onSubmit=${save}>
      <label class="block"><span class="label">${t("web.presets.name")}</span><input class="field" name="name" required maxlength="200" defaultValue=${preset?.name ?? ""} autofocus /></label>
      <label class="block"><span class="label">${t("web.presets.about")}</span><textarea class="field" name="about" rows="2" maxlength="10000" defaultValue=${preset?.about ?? ""}></textarea></label>
      ${!preset && html`<small class="quiet">${t("web.presets.save_about")}</small>`}
      <div class="row"><button class="button button-main" aria-busy=${saves || undefined}>${t("web.presets.save")}</button></div>
    </form>
  <//>`;
}
