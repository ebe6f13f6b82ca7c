// The adapters that fit a model: attached or not, each with its usual scale; and one more to get. Knows one model.
// @ts-check
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api.js";
import { newLine } from "../../state/line.js";
import { jobs } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Tick } from "../Kept.js";
import { useHeld } from "../useHeld.js";
import { KindFold } from "./KindFold.js";

/** @import { Adapter, DescribedModel } from "../../types.d.ts" */

/** @param {{model: DescribedModel, changed: () => void}} props */
export function AdaptersOf({ model, changed }) {
  const [told, setTold] = useState(/** @type {{adapters: Adapter[], notes: string[]} | null} */ (null));
  const path = `/models/${encodeURIComponent(model.name)}/adapters`;
  const come = jobs.value.filter((job) => job.kind === "adapter" && job.state === "done").length;
  useEffect(() => {
    let current = true;
    api.get(path).then((answer) => current && setTold(answer), () => null);
    return () => void (current = false);
  }, [model.name, come, language.value]);
  const inLine = useRef(newLine());
  const take = (/** @type {() => Promise<any>} */ ask) => inLine.current(ask).then((answer) => (setTold(answer), changed())).catch(tellError);
  const attach = (/** @type {string} */ adapter, /** @type {number} */ scale) => take(() => api.post(`${path}/attach`, { adapter, scale }));
  const detach = (/** @type {string} */ adapter) => take(() => api.post(`${path}/detach`, { adapter }));
  if (!told || model.format !== "gguf") return null;
  const fitting = told.adapters.filter((one) => one.attached || (!one.misfit && !one.problem));
  return html`<section aria-labelledby="adapters-of-title"><h2 id="adapters-of-title">${t("web.adapters.title")}</h2>
    ${!fitting.length && html`<p class="quiet">${t("web.adapters.none")}</p>`}
    <ul class="rows">${fitting.map((one) => html`<${Row} key=${one.name} one=${one} attach=${attach} detach=${detach} />`)}</ul>
    ${told.notes.map((note) => html`<p key=${note} class="notice">${note}</p>`)}
    <${KindFold} kind="adapter" given=${{ model: model.name }} />
  </section>`;
}

/** @param {{one: Adapter, attach: (name: string, scale: number) => unknown, detach: (name: string) => unknown}} props */
function Row({ one, attach, detach }) {
  const { name, title, attached, scale, problem, misfit } = one;
  const words = title || name;
  const toggle = (/** @type {boolean} */ on) => (on ? attach(name, scale ?? 1) : detach(name));
  return html`<li class="adapter-row">
    <label><${Tick} value=${attached} save=${toggle} /> ${words}</label>
    ${attached && html`<${Scale} label=${t("web.adapters.scale", { name: words })} value=${scale ?? 1} save=${(/** @type {number} */ next) => attach(name, next)} />`}
    ${(problem || misfit) && html`<small class="bad">${problem || misfit}</small>`}
  </li>`;
}

/** @param {{label: string, value: number, save: (scale: number) => unknown}} props */
function Scale({ label, value, save }) {
  const field = useHeld(value);
  return html`<input ref=${field} class="field" type="number" step="0.05" min="-2" max="2" aria-label=${label} onChange=${(/** @type {any} */ event) => save(Number(event.target.value))} />`;
}
