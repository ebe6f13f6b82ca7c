// What is in the inspector of a chat. Its fields are saved when they are left. Knows the open chat.
// @ts-check
import { changeChat, chat } from "../../state/chat.js";
import { setSampling } from "../../state/presets.js";
import { lastModel } from "../../state/prefs.js";
import { modelOf, models } from "../../state/system.js";
import { t } from "../../texts.js";
import { Adapters } from "../Adapters.js";
import { html } from "../html.js";
import { Pick } from "../Kept.js";
import { StoryPanel } from "../StoryPanel.js";
import { useHeld } from "../useHeld.js";
import { useKept } from "../useKept.js";
import { GuardRow } from "./GuardRow.js";
import { SamplingPanel } from "./SamplingPanel.js";

export function PanelBody() {
  const now = chat.value;
  if (!now) return null;
  return html`
    <${ModelChoice} now=${now} />
    <${GuardRow} />
    <label class="block">
      <span class="label">${t("web.panel.system")}</span>
      <${SystemPrompt} key=${now.id} value=${now.system} />
      <small class="quiet">${t("web.panel.system_about")}</small>
    </label>
    ${modelOf(now.model)?.thinks && html`<${Think} key=${now.id} value=${now.sampling.think ?? null} />`}
    <${StoryPanel} />
    <${Adapters} />
    <${SamplingPanel} />
  `;
}

/** The chat's model. @param {{now: Chat}} props */
function ModelChoice({ now }) {
  const list = models.value ?? [];
  const pick = (/** @type {string} */ model) => {
    lastModel.value = model;
    return changeChat(() => ({ model }));
  };
  return html`<label class="block">
    <span class="label">${t("web.panel.model")}</span>
    <${Pick} key=${now.id} value=${now.model} save=${pick}>
      ${!list.some((model) => model.name === now.model) && html`<option value=${now.model}>${now.model || t("web.chat.pick_model")}</option>`}
      ${list.map((model) => html`<option key=${model.name} value=${model.name} disabled=${Boolean(model.problem)}>${model.name}</option>`)}
    <//>
  </label>`;
}

/** @param {{value: string}} props */
function SystemPrompt({ value }) {
  const field = useHeld(value);
  return html`<textarea ref=${field} class="field panel-system" rows="5" placeholder=${t("web.panel.system_placeholder")} onChange=${saveSystem}></textarea>`;
}

/** @param {any} event */
function saveSystem(event) {
  const system = event.target.value;
  return changeChat(() => ({ system }));
}

/** @import { Chat } from "../../types.d.ts" */

const THINK = /** @type {const} */ ([
  [null, "default"],
  [true, "on"],
  [false, "off"],
]);

/** @param {{value: boolean | null}} props */
function Think({ value: kept }) {
  const [value, choose] = useKept(kept, (/** @type {boolean | null} */ choice) => setSampling("think", choice ?? undefined));
  return html`<fieldset class="panel-choice">
    <legend class="label">${t("web.panel.think")}</legend>
    <div class="choice-options">
      ${THINK.map(
        ([choice, name]) => html`<label key=${name}>
          <input type="radio" name="think" checked=${value === choice} onChange=${() => choose(choice)} /><span>${t(`web.panel.think_${name}`)}</span>
        </label>`,
      )}
    </div>
    <small class="quiet">${t("web.panel.think_about")}</small>
  </fieldset>`;
}
