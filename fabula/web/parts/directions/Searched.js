// What a search found: while it runs, then every trial as a picture, those that nothing beats, and one of them picked.
// Knows one job.
// @ts-check
import { useState } from "preact/hooks";
import { jobPage } from "../../state/jobs.js";
import { jobs } from "../../state/system.js";
import { FORMATS, language, t } from "../../texts.js";
import { html } from "../html.js";
import { isActive, JobCard } from "../JobCard.js";
import { short } from "../plots/scale.js";
import { Plots } from "../plots/Plot.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { SearchPoint } from "./SearchPoint.js";

/** @import { Direction, JobPage, SearchTrial } from "../../types.d.ts" */

const FAINT = 1; // d′ of the model's own replies: below, what is measured on them says little

/** @param {{direction: Direction, job: string}} props */
export function Searched({ direction, job: id }) {
  const live = jobs.value.find((job) => job.id === id);
  const ended = live && !isActive(live) ? live.updated_at : 0;
  const { told, failure, again } = useAnswer(/** @returns {Promise<JobPage>} */ () => jobPage(id), [id, ended, language.value]);
  const page = told?.id === id ? told : null; // of the one before, until this one is there
  if (failure) return html`<${Trouble} error=${failure} retry=${again} />`;
  const job = live ?? page;
  if (!job) return html`<p class="quiet">${t("web.loading")}</p>`;
  return html`<section aria-labelledby="found-by-search"><h2 id="found-by-search">${job.title}</h2>
      ${job.state !== "done" && html`<ul class="rows" aria-live="polite"><${JobCard} job=${job} /></ul><p class="quiet">${t("web.directions.search.kept")}</p>`}
    </section>
    ${page?.state === "done" && html`<${Result} page=${page} direction=${direction} />`}`;
}

/** @param {{page: JobPage, direction: Direction}} props */
function Result({ page: { result, plots }, direction }) {
  const [picked, setPicked] = useState(-1);
  const trials = /** @type {SearchTrial[]} */ (result.trials);
  const best = /** @type {number[]} */ (result.front).map((number) => trials[number]);
  const { separation } = result.start;
  return html`<section aria-labelledby="front-title"><h2 id="front-title">${t("web.directions.search.front")}</h2>
      <p>${t("web.directions.search.told", { count: trials.length, best: best.length, model: result.model, seconds: result.seconds })}</p>
      ${separation < FAINT && html`<p class="notice">${t("web.directions.search.faint", { separation: FORMATS.decimal(separation) })}</p>`}
      <${Plots} plots=${plots} />
      <fieldset class="search-front"><legend class="label">${t("web.directions.search.pick")}</legend>
        ${best.map((trial) => html`<label key=${trial.number} class="search-point">
          <input type="radio" name="point" checked=${picked === trial.number} onChange=${() => setPicked(trial.number)} />
          <span class="block"><span class="tabular">${t("web.directions.search.point", { number: trial.number, trait: FORMATS.percent(trial.trait), kl: short(trial.kl) })}</span>
            <small class="quiet">${useWords(trial)}</small>
            <span class="direction-said">${trial.reply}</span></span>
        </label>`)}
      </fieldset>
    </section>
    ${picked >= 0 && html`<${SearchPoint} key=${picked} trial=${trials[picked]} direction=${direction} model=${result.model} hash=${result.recipe_hash} />`}
    <section><${Every} trials=${trials} /></section>`;
}

/** Where it comes from and how strong it is. @param {SearchTrial} trial */
function useWords({ use }) {
  const source = use.scope === "global" ? t("web.directions.search.from_layer", { layer: short(use.layer ?? 0) }) : t("web.directions.search.each_layer");
  const ramps = /** @type {const} */ (["attention", "mlp"]).map((part) => {
    const ramp = use[`${part}_ramp`];
    return ramp ? `${t(`web.directions.parts.${part}`)}: ${t("web.directions.search.ramp", { peak: short(ramp.peak), middle: short(ramp.middle), floor: short(ramp.floor), reach: short(ramp.reach) })}` : "";
  });
  return [source, ...ramps].filter(Boolean).join(" · ");
}

/** @param {{trials: SearchTrial[]}} props */
function Every({ trials }) {
  const title = t("web.directions.search.every", { count: trials.length });
  return html`<details class="kind"><summary>${title}</summary>
    <div class="table-scroll" tabindex="0" role="region" aria-label=${title}><table class="plain-table tabular">
      <thead><tr>${["trial", "trait", "spread", "kl", "use", "seed"].map((name) => html`<th key=${name} scope="col">${t(`web.directions.search.columns.${name}`)}</th>`)}</tr></thead>
      <tbody>${trials.map((trial) => html`<tr key=${trial.number}><th scope="row">${trial.number}</th>
        ${trial.is_silent ? html`<td colspan="3">${t("web.directions.search.silent")}</td>` : html`<td>${FORMATS.percent(trial.trait)}</td><td>± ${FORMATS.percent(trial.spread)}</td><td>${short(trial.kl)}</td>`}
        <td>${useWords(trial)}</td><td>${trial.seed}</td></tr>`)}</tbody>
    </table></div></details>`;
}
