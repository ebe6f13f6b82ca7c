// Work: all of it, newest first, or the page of one. Knows no kind.
// @ts-check
import { useEffect } from "preact/hooks";
import { JobCard, isActive } from "../parts/JobCard.js";
import { html } from "../parts/html.js";
import { JobPage } from "../parts/jobs/JobPage.js";
import { Trouble } from "../parts/Trouble.js";
import { failure, jobs, loadSystem, system } from "../state/system.js";
import { t } from "../texts.js";

/** @param {{id: string}} props */
export function JobsView({ id }) {
  return id ? html`<${JobPage} key=${id} id=${id} />` : html`<${List} />`;
}

function List() {
  useEffect(() => void loadSystem(), []);
  const active = jobs.value.filter(isActive);
  const ended = jobs.value.filter((job) => !isActive(job));
  return html`<main class="page" id="main">
    <h1>${t("web.jobs.title")}</h1>
    <p class="lead">${t("web.jobs.about")}</p>
    ${!jobs.value.length && html`<${None} />`}
    <${Jobs} title=${t("web.jobs.now")} list=${active} />
    <${Jobs} title=${t("web.jobs.before")} list=${ended} />
  </main>`;
}

/** What is not told yet may be some. */
function None() {
  if (system.value) return html`<p class="statement">${t("web.jobs.none")}</p>`;
  return failure.value ? html`<${Trouble} error=${failure.value} retry=${loadSystem} />` : html`<p class="quiet">${t("web.loading")}</p>`;
}

/** @param {{title: string, list: import("../types.d.ts").Job[]}} props */
function Jobs({ title, list }) {
  if (!list.length) return null;
  return html`<section aria-label=${title}><h2>${title}</h2>
    <ul class="rows">${list.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul>
  </section>`;
}
