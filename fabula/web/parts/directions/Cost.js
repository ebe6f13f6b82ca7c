// What an edit did and what it cost: while it is written, then figures, plots, replies before and after, and a blind
// trial. Knows one job.
// @ts-check
import { useEffect } from "preact/hooks";
import { jobPage } from "../../state/jobs.js";
import { jobs, loadSystem } from "../../state/system.js";
import { asBytes, FORMATS, language, t } from "../../texts.js";
import { html } from "../html.js";
import { later } from "../later.js";
import { isActive, JobCard } from "../JobCard.js";
import { short } from "../plots/scale.js";
import { Plots } from "../plots/Plot.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { Blind } from "./Blind.js";
import { scaleWords, shareWords } from "./words.js";

/** @import { JobPage } from "../../types.d.ts" */

const MeasuredProbes = later(() => import("../evals/MeasuredProbes.js"), "MeasuredProbes", "evals.css");

const SHOWN = 5; // names of tensors

/** @param {{job: string}} props */
export function Cost({ job: id }) {
  const live = jobs.value.find((job) => job.id === id);
  const ended = live && !isActive(live) ? live.updated_at : 0;
  const { told: page, failure, again } = useAnswer(() => jobPage(id), [id, ended, language.value]);
  useEffect(() => void (ended && loadSystem()), [ended]);
  if (failure) return html`<${Trouble} error=${failure} retry=${again} />`;
  const job = live ?? page;
  if (!job) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`<section aria-labelledby="cost-title"><h2 id="cost-title">${page?.result.name ?? job.title}</h2>
    ${job.state !== "done" && html`<ul class="rows"><${JobCard} job=${job} /></ul>`}
    ${page?.state === "done" && html`<${Result} page=${page} />`}
  </section>`;
}

/** @param {{page: JobPage}} props */
function Result({ page: { result, plots } }) {
  const { name, source, way, scale, measured, most_left: left, most_off: off, tensors, masks, size, source_size: was } = result;
  const done = way === "add" ? [["scale", scaleWords(scale)], ["biases", FORMATS.number(tensors.length)], ["off", shareWords(off)]] : [["left", shareWords(left)], ["tensors", FORMATS.number(tensors.length)]];
  const rows = [
    ...done,
    ["size", was ? t("web.directions.size_was", { size, was }) : asBytes(size)],
    ["kl", measured?.kl === undefined ? "" : t("web.directions.nats", { value: short(measured.kl) })],
    ["same_top", measured?.same_top === undefined ? "" : FORMATS.percent(measured.same_top)],
    ["perplexity", measured?.perplexity === undefined ? "" : t("web.directions.before_after", { before: short(measured.source_perplexity), after: short(measured.perplexity) })],
  ];
  return html`<p>${t("web.directions.made", { source })} <a href=${`#/models/${encodeURIComponent(name)}`}>${name}</a></p>
    <dl class="numbers direction-cost">${rows.filter(([, value]) => value).map(([what, value]) => html`<div key=${what}><dt class="quiet">${t(`web.directions.costs.${what}`)}</dt><dd class="tabular">${value}</dd></div>`)}</dl>
    ${masks?.length > 0 && html`<p class="quiet">${t("lab.directions.masks", { count: masks.length, names: masks.slice(0, SHOWN).join(", ") })}</p>`}
    ${measured?.error && html`<p class="notice">${measured.error.message ?? t("web.result.not_measured")}</p>`}
    ${!measured && html`<p class="quiet">${t("web.directions.unmeasured")}</p>`}
    ${measured?.kl !== undefined && html`<p class="quiet">${t("web.directions.cost_about")}</p>`}
    ${measured?.streamed && html`<p class="quiet">${t(`lab.directions.streamed.${measured.streamed.why}`, measured.streamed)}</p>`}
    <${Plots} plots=${plots} />
    ${measured?.samples?.length > 0 && html`<h3 class="direction-samples-title">${t("web.directions.samples")}</h3>
      ${measured.samples.map((/** @type {any} */ sample) => html`<${Sample} key=${sample.prompt} sample=${sample} />`)}`}
    ${measured && html`<${MeasuredProbes} measured=${measured} />`}
    <${Blind} source=${source} made=${name} prompt=${measured?.samples?.[0]?.prompt ?? t("web.directions.usual_prompt")} />`;
}

/** @param {{sample: {prompt: string, before: string, after: string}}} props */
const Sample = ({ sample }) => html`<article class="direction-sample"><p class="label">${sample.prompt}</p>
  <div class="direction-columns">${[["before", sample.before], ["after", sample.after]].map(([when, text]) => html`<div key=${when} class="direction-column"><small class="quiet">${t(`web.directions.${when}`)}</small><p class="direction-said">${text || t("web.directions.empty")}</p></div>`)}</div></article>`;
