// A model that suits this machine, with one click to get it and how far that is. Knows one recommendation.
// @ts-check
import { fetching, jobDo, jobs, models, pull } from "../../state/system.js";
import { asBytes, t } from "../../texts.js";
import { html } from "../html.js";
import { Icon } from "../Icon.js";
import { isActive, JobProgress, progressWords } from "../JobCard.js";
import { meaningOf } from "../Quantizations.js";
import { parametersOf } from "../words.js";

/** @import { Advised } from "../../types.d.ts" */

const REASONS = 2;

/** @param {{one: Advised}} props */
export function GetCard({ one }) {
  const { name, source, size, verdict, why, speed } = one;
  const job = jobs.value.find((other) => other.id === fetching.value[source]);
  const [low, high] = (speed?.written ?? [0, 0]).map(Math.round);
  const rate = high > 0 ? t("web.finding.speed", { low, high }) : "";
  const here = job?.state === "done" && (models.value ?? []).find((model) => model.name === job.result.name);
  return html`<li class="card">
    <h3>${name}</h3>
    <p class="quiet tabular" title=${meaningOf(one.quantization)}>${[parametersOf(one.parameters), one.quantization, asBytes(size), rate].filter(Boolean).join(" · ")}</p>
    <ul class="reasons">${why.slice(0, REASONS).map((words) => html`<li key=${words}>${words}</li>`)}</ul>
    <p class=${`verdict verdict-${verdict}`}>${t(`web.verdict.${verdict}`)}</p>
    ${job && isActive(job)
      ? html`<div class="block"><span class="quiet tabular" aria-live="off">${progressWords(job)}</span><${JobProgress} job=${job} />
          <button type="button" class="link-button" onClick=${() => jobDo(job, "cancel")}>${t("web.cancel")}</button></div>`
      : here
        ? html`<a class="button" href=${`#/models/${encodeURIComponent(here.name)}`}>${t("web.home.open")}</a>`
        : html`<button type="button" class="button" onClick=${() => pull(source)}><${Icon} name="get" />${t(one.approximate ? "web.finding.get_about" : "web.home.get", { size: asBytes(size) })}</button>`}
  </li>`;
}
