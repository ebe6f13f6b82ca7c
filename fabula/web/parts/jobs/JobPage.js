// One piece of work: what was asked, how far it is, what came of it, what its process wrote. Knows one job, no kind.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { jobLog, jobPage, kindOf, loadKinds } from "../../state/jobs.js";
import { jobDo, jobs } from "../../state/system.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";
import { isActive, JobProgress, progressWords } from "../JobCard.js";
import { KindFold } from "../models/KindFold.js";
import { Plots } from "../plots/Plot.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { moment } from "./moment.js";
import { ResultOf } from "./ResultOf.js";

/** @import { Job, JobPage as JobPageOf } from "../../types.d.ts" */

/** @param {{id: string}} props */
export function JobPage({ id }) {
  const live = jobs.value.find((job) => job.id === id);
  const ended = live && !isActive(live) ? live.updated_at : 0;
  useEffect(() => void loadKinds(), [language.value]);
  const { told: page, failure, again } = useAnswer(() => jobPage(id), [id, ended, language.value]);
  if (page?.id !== id) return html`<${Frame} title=${t("web.jobs.title")}>${failure ? html`<${Trouble} error=${failure} retry=${again} />` : html`<p class="quiet">${t("web.loading")}</p>`}<//>`;
  const job = live ?? page;
  const kind = kindOf(job.kind);
  return html`<${Frame} title=${kind?.title ?? job.title} room=${kind?.room}>
    ${failure && html`<${Trouble} error=${failure} retry=${again} />`}
    <p class="quiet path">${[kind && job.title, moment(job.created_at)].filter(Boolean).join(" · ")}</p>
    <${State} job=${job} />
    <${Asked} page=${page} />
    ${page.state === "done" && html`<${ResultOf} page=${page} />`}
    ${page.plots.length > 0 && html`<${Plots} plots=${page.plots} />`}
    <${Log} id=${id} round=${job.updated_at} />
    ${kind && !isActive(job) && html`<section><h2>${t("web.jobs.again")}</h2><${KindFold} kind=${job.kind} given=${page.arguments} /></section>`}
  <//>`;
}

/** @param {{title: string, room?: string, children?: any}} props */
function Frame({ title, room, children }) {
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/jobs">${t("web.jobs.title")}</a>${room === "lab" && html` · <a href="#/lab">${t("web.nav.lab")}</a>`}</nav>
    <h1>${title}</h1>
    ${children}
  </main>`;
}

/** @param {{job: Job}} props */
function State({ job }) {
  const active = isActive(job);
  return html`<section class="job-state" aria-label=${t("web.jobs.state")}>
    <p class="tabular" role="status">${active ? progressWords(job) : t(`web.jobs.${job.state}`)}</p>
    ${job.state !== "done" && html`<${JobProgress} job=${job} />`}
    ${job.error && html`<p class="statement job-error">${job.error.message}</p>`}
    <div class="row">
      ${active && html`<${Press} class="button" onClick=${() => jobDo(job, "cancel")}>${t("web.cancel")}<//>`}
      ${!active && job.state !== "done" && html`<${Press} class="button button-main" onClick=${() => jobDo(job, "resume")}>${t("web.jobs.go_on")}<//>`}
    </div>
  </section>`;
}

/** @param {{page: JobPageOf}} props */
function Asked({ page }) {
  const fields = kindOf(page.kind)?.schema.properties ?? {};
  const rows = Object.entries(page.arguments).filter(([name, value]) => name in fields && value !== "" && value !== fields[name].default);
  if (!rows.length) return null;
  return html`<dl class="facts-list job-asked" aria-label=${t("web.jobs.asked")}>
    ${rows.map(([name, value]) => html`<div key=${name}><dt>${fields[name].title}</dt><dd class="path">${worded(fields[name], value)}</dd></div>`)}
  </dl>`;
}

/** @param {import("../../types.d.ts").FieldOf} field @param {any} value */
function worded(field, value) {
  if (typeof value === "boolean") return t(value ? "web.forms.yes" : "web.forms.no");
  return field.labels?.[String(value)] ?? (typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** @param {{id: string, round: number}} props */
function Log({ id, round }) {
  const [open, setOpen] = useState(false);
  const [log, setLog] = useState("");
  useEffect(() => {
    let current = true;
    if (open) jobLog(id).then((told) => current && setLog(told.text), (error) => current && setLog(error.message));
    return () => void (current = false);
  }, [id, open, round]);
  return html`<details class="kind" onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>${t("web.jobs.log")}</summary>
    <pre class="code-box" tabindex="0" aria-label=${t("web.jobs.log")}>${log || t("web.jobs.log_empty")}</pre>
  </details>`;
}
