// What is loaded with a model and takes its part of the memory: adapters, a model that guesses ahead, a projector for
// images. Knows one model's name.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { models } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";

/** @import { Adapter, DescribedModel } from "../../types.d.ts" */

/** @param {{plan: import("../../state/plan.js").Plan, model: DescribedModel}} props */
export function Beside({ plan, model }) {
  const [adapters, setAdapters] = useState(/** @type {Adapter[]} */ ([]));
  const { adapters: chosen, draft, projector } = plan.question.value;
  useEffect(() => {
    let current = true;
    const fitting = (/** @type {{adapters: Adapter[]}} */ told) => current && setAdapters(told.adapters.filter((one) => !one.misfit && !one.problem));
    api.get(`/models/${encodeURIComponent(model.name)}/adapters`).then(fitting, () => null);
    return () => void (current = false);
  }, [model.name]);
  const smaller = (models.value ?? []).filter((one) => !one.problem && !one.elsewhere && one.format === "gguf" && !one.pooling && one.name !== model.name && one.parameters < model.parameters);
  const toggle = (/** @type {string} */ name, /** @type {boolean} */ on) => plan.change({ adapters: on ? [...chosen, name] : chosen.filter((one) => one !== name) });
  return html`<details class="fold plan-wide" open=${Boolean(chosen.length || draft || projector)}><summary>${t("web.plan.beside")}</summary>
    <div class="plan-controls">
      ${adapters.length > 0 && html`<fieldset class="plan-control plan-wide"><legend class="label">${t("web.plan.adapters")}</legend>
        ${adapters.map((one) => html`<label key=${one.name}><input type="checkbox" checked=${chosen.includes(one.name)} onChange=${(/** @type {any} */ event) => toggle(one.name, event.target.checked)} /> ${one.title || one.name}</label>`)}
      </fieldset>`}
      <label class="plan-control"><span class="label">${t("web.plan.draft")}</span>
        <select class="field" value=${draft} onChange=${(/** @type {any} */ event) => plan.change({ draft: event.target.value })}>
          <option value="">${t("web.finding.none")}</option>
          ${smaller.map((one) => html`<option key=${one.name} value=${one.name}>${one.name}</option>`)}
        </select></label>
      <label class="plan-control"><span class="label">${t("web.plan.projector")}</span>
        <input class="field" type="text" autocomplete="off" spellcheck=${false} placeholder=${t("web.forms.file")} value=${projector} onChange=${(/** @type {any} */ event) => plan.change({ projector: event.target.value.trim() })} /></label>
    </div></details>`;
}
