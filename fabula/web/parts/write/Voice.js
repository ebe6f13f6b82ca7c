// How the model writes here: form, preset and the everyday sampling values. Knows the open document.
// @ts-check
import { useEffect } from "preact/hooks";
import { loadPresets, presetOf, presets } from "../../state/presets.js";
import { set, setSettings } from "../../state/manuscript.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Pick } from "../Kept.js";
import { useHeld } from "../useHeld.js";
import { useKept } from "../useKept.js";

/** @import { Novel } from "../../types.d.ts" */
/** @typedef {{name: string, least: number, most?: number, step: number | "any", usual: string}} Knob */

/** @type {Knob[]} */
const KNOBS = [
  { name: "max_tokens", least: 1, step: 1, usual: "400" },
  { name: "temperature", least: 0, most: 2, step: "any", usual: "0.8" },
  { name: "top_p", least: 0, most: 1, step: "any", usual: "0.95" },
  { name: "min_p", least: 0, most: 1, step: "any", usual: "0.05" },
  { name: "seed", least: 0, step: 1, usual: "" },
];
const FORMS = /** @type {const} */ (["auto", "instruct", "raw"]);

/** @param {{now: Novel}} props */
export function Voice({ now }) {
  useEffect(() => void loadPresets(), []);
  const { sampling } = now;
  const preset = presetOf(sampling.preset ?? "");
  const values = (/** @type {string} */ name, /** @type {any} */ value) =>
    set(({ sampling: { [name]: _, ...others } }) => ({ sampling: value === undefined || value === "" ? others : { ...others, [name]: value } }));
  const save = (/** @type {Knob} */ { name }) => (/** @type {any} */ event) => {
    if (event.target.reportValidity()) values(name, event.target.value === "" ? undefined : Number(event.target.value));
  };
  return html`
    <label class="block"><span class="label">${t("web.panel.preset")}</span>
      <${Pick} value=${sampling.preset ?? ""} save=${(/** @type {string} */ name) => values("preset", name)}>
        <option value="">${t("web.panel.preset_none")}</option>
        ${sampling.preset && !preset && html`<option value=${sampling.preset}>${sampling.preset}</option>`}
        ${(presets.value ?? []).map((item) => html`<option key=${item.name} value=${item.name}>${item.title}</option>`)}
      <//><small class="quiet">${preset ? preset.about : t("web.panel.preset_none_about")}</small></label>
    ${KNOBS.map((knob) => html`<${KnobField} key=${knob.name} knob=${knob} value=${sampling[knob.name] ?? preset?.sampling[knob.name] ?? ""} save=${save(knob)} />`)}
    ${now.kind === "novel" && html`<${Form} form=${now.settings.form} />`}`;
}

/** @param {{knob: Knob, value: number | "", save: (event: Event) => void}} props */
function KnobField({ knob: { name, least, most, step, usual }, value, save }) {
  const field = useHeld(value);
  return html`<label class="block"><span class="label">${t(`web.panel.${name}`)}</span>
    <input ref=${field} class="field" type="number" min=${least} max=${most} step=${step} placeholder=${usual} onChange=${save} />
    <small class="quiet">${t(name === "max_tokens" ? "web.write.length_about" : `web.panel.${name}_about`)}</small></label>`;
}

/** @param {{form: string}} props */
function Form({ form }) {
  const [chosen, choose] = useKept(form, (name) => setSettings({ form: name }));
  return html`<fieldset class="beside-choice"><legend class="label">${t("web.write.form")}</legend>
    ${FORMS.map((name) => html`<label class="check" key=${name}><input type="radio" name="form" checked=${chosen === name} onChange=${() => choose(name)} /><span>${t(`web.write.form_${name}`)}</span></label>`)}
    <small class="quiet">${t("web.write.form_about")}</small></fieldset>`;
}
