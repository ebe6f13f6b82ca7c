// The inspector of a chat: system prompt, thinking, adapters, preset, sampling. Saved when a field is left. Knows the
// open chat.
// @ts-check
import { changeChat, chat } from "../state/chat.js";
import { panelOpen } from "../state/prefs.js";
import { presetOf, setSampling } from "../state/presets.js";
import { modelOf } from "../state/system.js";
import { t } from "../texts.js";
import { Adapters } from "./Adapters.js";
import { BANNED, BannedTexts } from "./BannedTexts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";
import { PresetPicker } from "./PresetPicker.js";
import { StoryPanel } from "./StoryPanel.js";

/** @typedef {{name: string, least: number, most?: number, step: number, usual: string}} Knob */

/** The everyday controls, with the engine's defaults as placeholders. @type {Knob[]} */
const KNOBS = [
  { name: "temperature", least: 0, most: 2, step: 0.05, usual: "0.8" },
  { name: "top_p", least: 0, most: 1, step: 0.01, usual: "0.95" },
  { name: "min_p", least: 0, most: 1, step: 0.01, usual: "0.05" },
  { name: "max_tokens", least: 1, step: 1, usual: "" },
  { name: "seed", least: 0, step: 1, usual: "" },
];

const close = () => (panelOpen.value = "no");

export function ChatPanel() {
  const now = chat.value;
  if (!now || panelOpen.value !== "yes") return null;
  const preset = presetOf(now.sampling.preset)?.sampling ?? {};
  return html`<aside class="panel" aria-label=${t("web.panel.label")}>
    <div class="panel-head"><h2>${t("web.panel.label")}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>
    <label class="block">
      <span class="label">${t("web.panel.system")}</span>
      <textarea class="field panel-system" key=${now.id} rows="5" placeholder=${t("web.panel.system_placeholder")} onChange=${saveSystem} defaultValue=${now.system}></textarea>
      <small class="quiet">${t("web.panel.system_about")}</small>
    </label>
    ${modelOf(now.model)?.thinks && html`<${Think} value=${now.sampling.think ?? null} />`}
    <${StoryPanel} />
    <${Adapters} model=${now.model} sampling=${now.sampling} />
    <h3>${t("web.panel.sampling")}</h3>
    <${PresetPicker} sampling=${now.sampling} shown=${[...KNOBS.map((knob) => knob.name), ...BANNED]} />
    ${KNOBS.map((knob) => html`<${KnobRow} key=${knob.name} knob=${knob} own=${now.sampling[knob.name]} preset=${preset[knob.name]} />`)}
    <${BannedTexts} chat=${now.id} own=${now.sampling} preset=${preset} />
  </aside>`;
}

/** @param {any} event */
function saveSystem(event) {
  const system = event.target.value;
  if (system !== chat.value?.system) changeChat(() => ({ system }));
}

const THINK = /** @type {const} */ ([
  [null, "default"],
  [true, "on"],
  [false, "off"],
]);

/** @param {{value: boolean | null}} props */
function Think({ value }) {
  return html`<fieldset class="panel-choice">
    <legend class="label">${t("web.panel.think")}</legend>
    <div class="choice-options">
      ${THINK.map(
        ([choice, name]) => html`<label key=${name}>
          <input type="radio" name="think" checked=${value === choice} onChange=${() => setSampling("think", choice ?? undefined)} /><span>${t(`web.panel.think_${name}`)}</span>
        </label>`,
      )}
    </div>
    <small class="quiet">${t("web.panel.think_about")}</small>
  </fieldset>`;
}

/** @param {{knob: Knob, own: number | undefined, preset: number | undefined}} props */
function KnobRow({ knob, own, preset }) {
  const { name, least, most, step, usual } = knob;
  const save = (/** @type {any} */ event) => saveKnob(knob, event.target, preset);
  const label = t(`web.panel.${name}`);
  const value = own ?? preset;
  return html`<div class="knob">
    <label class="knob-line">
      <span class="label">${label}</span>
      <input class="field knob-number" type="number" min=${least} max=${most} step=${step === 1 ? 1 : "any"} value=${value ?? ""} placeholder=${usual || t(`web.panel.${name}_usual`)} onChange=${save} />
    </label>
    ${most && html`<input class="knob-range" type="range" aria-label=${label} min=${least} max=${most} step=${step} value=${value ?? Number(usual)} onChange=${save} />`}
    <small class="quiet">${t(`web.panel.${name}_about`)}</small>
  </div>`;
}

/** An empty field goes back to the preset, else to the default. @param {Knob} knob @param {HTMLInputElement} input @param {number | undefined} preset */
function saveKnob({ name }, input, preset) {
  if (!input.reportValidity()) return;
  const isOwn = input.value !== "" && Number(input.value) !== preset;
  setSampling(name, isOwn ? Number(input.value) : undefined);
}
