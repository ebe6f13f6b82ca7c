// A model that can; the others below, each with why not. Knows no work.
// @ts-check
import { modelOf } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { modelNote } from "../words.js";

/** @param {{rows: Record<string, string>[] | null, what: string, value: string, change: (name: string) => void, anyway?: boolean}} props `what` names the refusal; `anyway` offers the others too */
export function ModelChoice({ rows, what, value, change, anyway = false }) {
  if (!rows) return html`<p class="quiet">${t("web.loading")}</p>`;
  const able = rows.filter((row) => !row[what]);
  const others = rows.filter((row) => row[what]);
  const offered = anyway ? rows : able;
  const refused = others.find((row) => row.name === value);
  return html`<div class="block">
    <label class="block"><span class="label">${t("web.directions.model")}</span>
      <select class="field" required value=${offered.some((row) => row.name === value) ? value : ""} onChange=${(/** @type {any} */ event) => change(event.target.value)}>
        <option value="">${t("web.forms.choose")}</option>
        ${offered.map(({ name }) => html`<option key=${name} value=${name}>${[name, note(name)].filter(Boolean).join(" · ")}</option>`)}
      </select></label>
    ${refused && !anyway && html`<p class="notice">${refused[what]}</p>`}
    ${!offered.length && html`<p class="statement">${t("web.directions.no_model")}</p>`}
    ${others.length > 0 && html`<details class="fold"><summary>${t("web.directions.others", { count: others.length })}</summary>
      <dl class="ruled-out">${others.map((row) => html`<div key=${row.name}><dt class="path">${row.name}</dt><dd>${row[what]}</dd></div>`)}</dl></details>`}
  </div>`;
}

/** @param {string} name */
function note(name) {
  const model = modelOf(name);
  return model ? modelNote(model) : "";
}
