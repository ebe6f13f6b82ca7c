// What is in the inspector of a chat. Its fields are saved when they are left. Knows the open chat.
// @ts-check
import { changeChat, chat } from "../../state/chat.js";
import { setSampling } from "../../state/presets.js";
import { lastModel } from "../../state/prefs.js";
import { modelOf, models } from "../../state/system.js";
import { t } from "../../texts.js";
import { Adapters } from "../Adapters.js";
import { html } from "../html.js";
import { StoryPanel } from "../StoryPanel.js";
import { SamplingPanel } from "./SamplingPanel.js";

export function PanelBody() {
  const now = chat.value;
  if (!now) return null;
  return html`
    <${ModelChoice} now=${now} />
    <label class="block">
      <span class="label">${t("web.panel.system")}</span>
      <textarea class="field panel-system" key=${now.id} rows="5" placeholder=${t("web.panel.system_placeholder")} onChange=${saveSystem} defaultValue=${now.system}></textarea>
      <small class="quiet">${t("web.panel.system_about")}</small>
    </label>
    ${modelOf(now.model)?.thinks && html`<${Think} value=${now.sampling.think ?? null} />`}
    <${StoryPanel} />
    <${Adapters} />
    <${SamplingPanel} />
  `;
}

/** The chat's model, and which policy judges what is said. @param {{now: Chat}} props */
function ModelChoice({ now }) {
  const list = models.value ?? [];
  const pick = (/** @type {any} */ event) => {
    const model = event.target.value;
    lastModel.value = model;
    changeChat(() => ({ model }));
  };
  return html`<label class="block">
    <span class="label">${t("web.panel.model")}</span>
    <select class="field" value=${now.model} onChange=${pick}>
      ${!list.some((model) => model.name === now.model) && html`<option value=${now.model}>${now.model || t("web.chat.pick_model")}</option>`}
      ${list.map((model) => html`<option key=${model.name} value=${model.name} disabled=${Boolean(model.problem)}>${model.name}</option>`)}
    </select>
    <small class="quiet">${t("web.panel.guard_about")}</small>
  </label>`;
}

/** @param {any} event */
function saveSystem(event) {
  const system = event.target.value;
  if (system !== chat.value?.system) changeChat(() => ({ system }));
}

/** @import { Chat } from "../../types.d.ts" */

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
