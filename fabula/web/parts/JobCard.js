// A download under way: how far, how fast, how long still, and the ways to end it or go on. Knows one job.
// @ts-check
import { jobDo } from "../state/system.js";
import { asBytes, asDuration, t } from "../texts.js";
import { html } from "./html.js";

/** @import { Job } from "../types.d.ts" */

/** @param {{job: Job}} props */
export function JobCard({ job }) {
  const { done, total } = job.progress;
  const active = job.state === "queued" || job.state === "running";
  return html`<li class="job">
    <div class="job-words">
      <span class="model-title">${job.title}</span>
      <span class="quiet tabular">${active ? progressWords(job) : t(`web.jobs.${job.state}`)}</span>
    </div>
    <progress class="job-progress" aria-label=${job.title} value=${total ? done : undefined} max=${total || undefined}></progress>
    ${job.error && html`<p class="notice">${job.error.message}</p>`}
    ${active
      ? html`<button type="button" class="button button-quiet" onClick=${() => jobDo(job, "cancel")}>${t("web.cancel")}</button>`
      : html`<button type="button" class="button" onClick=${() => jobDo(job, "resume")}>${t("web.try_again")}</button>`}
  </li>`;
}

/** @param {Job} job */
export function progressWords({ state, progress: { done, total, rate, seconds_left, note } }) {
  if (state === "queued" || !total) return note || t("web.jobs.queued");
  const left = seconds_left ? t("web.jobs.left", { time: asDuration(seconds_left) }) : "";
  const speed = rate ? `${asBytes(rate)}/s` : "";
  return [t("web.jobs.of", { done: asBytes(done), total: asBytes(total) }), speed, left].filter(Boolean).join(" · ");
}
