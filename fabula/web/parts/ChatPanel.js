// The inspector of a chat: system prompt and everyday sampling. Saved when a field is left. Knows the open chat.
// @ts-check
import { changeChat, chat } from "../state/chat.js";
import { panelOpen } from "../state/prefs.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton } from "./Icon.js";

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
  return html`<aside class="panel" aria-label=${t("web.panel.label")}>
    <div class="panel-head"><h2>${t("web.panel.label")}</h2><${IconButton} icon="close" label=${t("web.close")} onClick=${close} /></div>
    <label class="block">
      <span class="label">${t("web.panel.system")}</span>
      <textarea class="field panel-system" key=${now.id} rows="5" placeholder=${t("web.panel.system_placeholder")} onChange=${saveSystem} defaultValue=${now.system}></textarea>
      <small class="quiet">${t("web.panel.system_about")}</small>
    </label>
    <h3>${t("web.panel.sampling")}</h3>
    ${KNOBS.map((knob) => html`<${KnobRow} key=${knob.name} knob=${knob} value=${now.sampling[knob.name]} />`)}
  </aside>`;
}

/** @param {any} event */
function saveSystem(event) {
  const system = event.target.value;
  if (system !== chat.value?.system) changeChat(() => ({ system }));
}

/** @param {{knob: Knob, value: number | undefined}} props */
function KnobRow({ knob, value }) {
  const { name, least, most, step, usual } = knob;
  const save = (/** @type {any} */ event) => saveKnob(knob, event.target);
  const label = t(`web.panel.${name}`);
  return html`<div class="knob">
    <label class="knob-line">
      <span class="label">${label}</span>
      <input class="field knob-number" type="number" min=${least} max=${most} step=${step === 1 ? 1 : "any"} value=${value ?? ""} placeholder=${usual || t(`web.panel.${name}_usual`)} onChange=${save} />
    </label>
    ${most && html`<input class="knob-range" type="range" aria-label=${label} min=${least} max=${most} step=${step} value=${value ?? Number(usual)} onChange=${save} />`}
    <small class="quiet">${t(`web.panel.${name}_about`)}</small>
  </div>`;
}

/** An empty field goes back to the default. @param {Knob} knob @param {HTMLInputElement} input */
function saveKnob({ name }, input) {
  if (!input.reportValidity()) return;
  const typed = input.value;
  changeChat(() => {
    const { [name]: _, ...others } = chat.value?.sampling ?? {};
    return { sampling: typed === "" ? others : { ...others, [name]: Number(typed) } };
  });
}
