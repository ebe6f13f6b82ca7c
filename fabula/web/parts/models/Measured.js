// What was measured of a model on this machine, and what it cost to make it, as plots; and one more measurement. Knows
// one model.
// @ts-check
import * as api from "../../api.js";
import { jobs } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Plots } from "../plots/Plot.js";
import { useAnswer } from "../useAnswer.js";
import { KindFold } from "./KindFold.js";

/** @import { DescribedModel, PlotOf } from "../../types.d.ts" */
/** @typedef {{tuning: null | {options: Record<string, any>, measured_at: number}, made: null | Record<string, any>, plots: PlotOf[]}} Told */

/** @param {{model: DescribedModel}} props */
export function Measured({ model }) {
  const path = `/models/${encodeURIComponent(model.name)}`;
  const ended = jobs.value.filter((job) => job.kind === "tune" && job.state === "done").length;
  const { told, again } = useAnswer(/** @returns {Promise<Told>} */ () => api.get(`${path}/measured`), [model.name, ended, language.value]);
  const forget = () => api.remove(`${path}/tune`).then(again).catch(tellError);
  if (!told) return null;
  const { tuning, made, plots } = told;
  return html`<section aria-labelledby="measured-title"><h2 id="measured-title">${t("web.measured.title")}</h2>
    ${!tuning && !made && html`<p class="quiet">${t("web.measured.nothing")}</p>`}
    ${tuning && html`<p>${chosen(tuning)} <button type="button" class="link-button" onClick=${forget}>${t("web.measured.forget")}</button></p>`}
    ${made?.source && html`<p>${t("web.measured.made", { source: made.source, type: made.type ?? "" })}</p>`}
    <${Plots} plots=${plots} />
    ${model.format === "gguf" && !model.pooling && !model.base && html`<${KindFold} kind="tune" given=${{ model: model.name }} />`}
  </section>`;
}

/** @param {NonNullable<Told["tuning"]>} tuning */
function chosen({ options, measured_at: at }) {
  const date = new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(at * 1000);
  const values = Object.entries(options).map(([name, value]) => `${name} ${value}`).join(", ");
  return values ? t("web.measured.chosen", { date, values }) : t("web.measured.as_it_was", { date });
}
