// Evaluation: what models can do, one by itself or two compared; what was measured so far, and one measurement.
// @ts-check
import { useEffect } from "preact/hooks";
import { JobCard, isActive } from "../parts/JobCard.js";
import { Trouble } from "../parts/Trouble.js";
import { Compared } from "../parts/evals/Compared.js";
import { Scored } from "../parts/evals/Scored.js";
import { html } from "../parts/html.js";
import { JobForm } from "../parts/jobs/JobForm.js";
import { useAnswer } from "../parts/useAnswer.js";
import { runs } from "../state/evals.js";
import { jobPage, kinds, kindsFailure, loadKinds } from "../state/jobs.js";
import { go, route } from "../state/route.js";
import { jobs, loadSystem } from "../state/system.js";
import { language, t } from "../texts.js";

const ROOM = "evals";

/** To what was begun, unless the person has gone elsewhere meanwhile. @param {import("../types.d.ts").Job} job */
const shown = (job) => void (route.value.view === ROOM && !route.value.id && go(`#/evals/${job.id}`));

/** @param {{id: string, rest: string}} props `#/evals/JOB`, or `#/evals//MODEL` with a model chosen */
export function EvalsView({ id, rest }) {
  useEffect(() => void loadSystem(), []);
  return id ? html`<${OneRun} key=${id} id=${id} />` : html`<${All} key=${rest} model=${rest} />`;
}

/** @param {{model: string}} props */
function All({ model }) {
  useEffect(() => void loadKinds(), [language.value]);
  const own = (kinds.value ?? []).filter((kind) => kind.room === ROOM);
  return html`<main class="page" id="main">
    <h1>${t("web.evals.title")}</h1>
    <p class="lead">${t("web.evals.about")}</p>
    ${kindsFailure.value && html`<${Trouble} error=${kindsFailure.value} retry=${loadKinds} />`}
    ${own.map((kind) => html`<section key=${kind.kind} aria-labelledby=${`eval-${kind.kind}`}><h2 id=${`eval-${kind.kind}`}>${kind.title}</h2>
      <${JobForm} kind=${kind} given=${{ model }} began=${shown} /></section>`)}
    <section aria-labelledby="evals-runs"><h2 id="evals-runs">${t("web.evals.runs")}</h2>
      ${runs.value.length ? html`<ul class="rows">${runs.value.map((job) => html`<${Run} key=${job.id} job=${job} />`)}</ul>` : html`<p class="quiet">${t("web.evals.none")}</p>`}
    </section>
  </main>`;
}

/** @param {{job: import("../types.d.ts").Job}} props */
function Run({ job }) {
  if (job.state !== "done") return html`<${JobCard} job=${job} />`;
  const { total, against } = job.result;
  const words = against ? t("web.probes.turned", total) : t("web.evals.right_of", total);
  return html`<li class="job"><div class="job-words"><a class="model-title link-row" href=${`#/evals/${job.id}`}>${job.title}</a><span class="quiet tabular">${words}</span></div></li>`;
}

/** @param {{id: string}} props */
function OneRun({ id }) {
  const live = jobs.value.find((job) => job.id === id);
  const ended = live && !isActive(live) ? live.updated_at : 0;
  const { told: page, failure, again } = useAnswer(() => jobPage(id), [id, ended, language.value]);
  const job = live ?? page;
  const found = page?.state === "done" ? page.result : null;
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/evals">${t("web.evals.title")}</a></nav>
    <h1 class="path">${job?.title ?? t("web.evals.title")}</h1>
    ${failure && html`<${Trouble} error=${failure} retry=${again} />`}
    ${!job && !failure && html`<p class="quiet">${t("web.loading")}</p>`}
    ${job && job.state !== "done" && html`<ul class="rows" aria-live="polite"><${JobCard} job=${job} /></ul>`}
    ${found && (found.against ? html`<${Compared} found=${found} />` : found.probes && html`<${Scored} found=${found} />`)}
  </main>`;
}
