// The fields of a form, made of its schema: each by its kind, with its words and what is wrong with it. Knows no recipe.
// @ts-check
import { useEffect, useId, useState } from "preact/hooks";
import * as api from "../../api.js";
import { models } from "../../state/system.js";
import { asBytes, t } from "../../texts.js";
import { html } from "../html.js";
import { meaningOf } from "../Quantizations.js";
import { modelNote } from "../words.js";
import { lookOf, settled } from "./schema.js";

/** @import { FieldOf, SchemaOf } from "../../types.d.ts" */
/** @typedef {Record<string, any>} Values */
/** @typedef {{name: string, message: string}} Wrong */

/** @param {{schema: SchemaOf | FieldOf, values: Values, change: (values: Values) => void, wrong?: Wrong | null, all?: Values}} props `all` are the values of the whole form */
export function Fields({ schema, values, change, wrong = null, all = values }) {
  const rows = Object.entries(schema.properties ?? {});
  const row = (/** @type {[string, FieldOf]} */ [name, field]) =>
    html`<${Field} key=${name} name=${name} field=${field} value=${values[name]} required=${schema.required?.includes(name)} all=${all} wrong=${wrong?.name === name ? wrong.message : ""} set=${(/** @type {any} */ value) => change({ ...values, [name]: value })} />`;
  const folded = rows.filter(([, field]) => field.more);
  return html`
    ${rows.filter(([, field]) => !field.more).map(row)}
    ${folded.length > 0 && html`<details class="fold form-more" open=${folded.some(([name]) => wrong?.name === name)}><summary>${t("web.forms.more", { count: folded.length })}</summary><div class="form-fields">${folded.map(row)}</div></details>`}
  `;
}

/** @typedef {{name: string, field: FieldOf, value: any, set: (value: any) => void, required?: boolean, all: Values, wrong: string}} FieldProps */

/** @param {FieldProps} props */
function Field(props) {
  const { name, field, value, set, required, wrong, all } = props;
  const id = useId();
  const look = lookOf(field);
  const about = html`${field.description && html`<small class="quiet" id=${`${id}-about`}>${field.description}</small>`}
    ${wrong && html`<small class="bad" id=${`${id}-wrong`} role="alert">${wrong}</small>`}`;
  const marks = { id, name, required, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": [field.description && `${id}-about`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined };
  if (look === "group") {
    return html`<fieldset class="form-group"><legend class="label">${field.title}</legend>${about}
      <div class="form-fields"><${Fields} schema=${field} values=${value ?? {}} change=${set} all=${all} /></div></fieldset>`;
  }
  if (look === "switch") {
    return html`<div class="form-field form-switch"><input ...${marks} type="checkbox" checked=${Boolean(value)} onChange=${(/** @type {any} */ event) => set(event.target.checked)} />
      <div class="block"><label class="label" for=${id}>${field.title}</label>${about}</div></div>`;
  }
  return html`<div class="form-field block">
    <label class="label" for=${id}>${field.title}${field.unit && html` <span class="quiet">(${t(`web.units.${field.unit}`)})</span>`}</label>
    <${Input} ...${props} look=${look} marks=${marks} />
    ${about}
  </div>`;
}

/** @param {FieldProps & {look: string, marks: Record<string, any>}} props */
function Input({ look, marks, field, value, set, all, required }) {
  const typed = (/** @type {any} */ event) => set(event.target.value);
  const shown = value ?? "";
  if (look === "model") return html`<${ModelPick} marks=${marks} field=${field} value=${shown} set=${set} required=${required} />`;
  if (look === "quantization") return html`<${TypePick} marks=${marks} value=${shown} set=${set} model=${all.model ?? ""} />`;
  if (look === "choice") return html`<${Choice} marks=${marks} field=${settled(field)} value=${shown} set=${set} required=${required} />`;
  if (look === "text" || look === "lines" || look === "json") {
    return html`<textarea ...${marks} class="field" rows=${look === "text" ? 6 : 2} spellcheck=${false} placeholder=${look === "lines" ? t("web.forms.one_per_line") : ""} value=${shown} onInput=${typed}></textarea>`;
  }
  if (look === "number") {
    const { type, minimum, maximum } = settled(field);
    return html`<input ...${marks} class="field" type="number" inputmode="decimal" min=${minimum} max=${maximum} step=${type === "integer" ? 1 : "any"} value=${shown} onInput=${typed} />`;
  }
  return html`<input ...${marks} class="field" type="text" autocomplete="off" spellcheck=${false} placeholder=${look === "file" ? t("web.forms.file") : ""} value=${shown} onInput=${typed} />`;
}

/** @param {{marks: Record<string, any>, field: FieldOf, value: any, set: (value: any) => void, required?: boolean}} props */
function Choice({ marks, field, value, set, required }) {
  const names = field.enum ?? [true, false];
  const words = (/** @type {any} */ name) => field.labels?.[String(name)] ?? (typeof name === "boolean" ? t(name ? "web.forms.yes" : "web.forms.no") : String(name));
  return html`<select ...${marks} class="field" value=${String(value)} onChange=${(/** @type {any} */ event) => set(event.target.value)}>
    ${(!required || value === "") && html`<option value="">${t("web.forms.open")}</option>`}
    ${names.map((name) => html`<option key=${String(name)} value=${String(name)}>${words(name)}</option>`)}
  </select>`;
}

/** @param {{marks: Record<string, any>, field: FieldOf, value: string, set: (value: string) => void, required?: boolean}} props */
function ModelPick({ marks, field, value, set, required }) {
  const fits = (models.value ?? []).filter((model) => !model.problem && !model.elsewhere && (field.formats ?? [model.format]).includes(model.format));
  return html`<select ...${marks} class="field" value=${value} onChange=${(/** @type {any} */ event) => set(event.target.value)}>
    <option value="">${t(`web.forms.${required ? "choose" : (field.empty ?? "all_models")}`)}</option>
    ${value && !fits.some((model) => model.name === value) && html`<option value=${value}>${value}</option>`}
    ${fits.map((model) => html`<option key=${model.name} value=${model.name}>${model.name} · ${modelNote(model)}</option>`)}
  </select>`;
}

/** What the chosen model can become, with sizes. @param {{marks: Record<string, any>, value: string, set: (value: string) => void, model: string}} props */
function TypePick({ marks, value, set, model }) {
  const [types, setTypes] = useState(/** @type {{type: string, size: number}[]} */ ([]));
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let current = true;
    setTypes([]);
    setProblem("");
    if (model) {
      api.get(`/models/${encodeURIComponent(model)}/quantize`).then(
        (answer) => current && setTypes(answer.types),
        (error) => current && setProblem(error.message),
      );
    }
    return () => void (current = false);
  }, [model]);
  const known = value && !types.some((row) => row.type === value);
  return html`<select ...${marks} class="field" value=${value} onChange=${(/** @type {any} */ event) => set(event.target.value)}>
      <option value="">${t("web.forms.choose")}</option>
      ${known && html`<option value=${value}>${value}</option>`}
      ${types.map(({ type, size }) => html`<option key=${type} value=${type}>${type} · ${asBytes(size)}</option>`)}
    </select>
    ${problem && html`<small class="bad">${problem}</small>`}
    ${meaningOf(value) && html`<small class="quiet">${meaningOf(value)}</small>`}`;
}
