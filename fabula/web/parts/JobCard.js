// Work in a line: what it is, how far, how fast, how long still, and the ways to end it or go on. Knows one job.
// @ts-check
import { jobDo } from "../state/system.js";
import { asBytes, asDuration, FORMATS, hasText, t } from "../texts.js";
import { html } from "./html.js";
import { Press } from "./Icon.js";

/** @import { Job } from "../types.d.ts" */

/** @param {{job: Job}} props */
export function JobCard({ job }) {
  const active = isActive(job);
  const again = job.state !== "done" && !active;
  return html`<li class="job">
    <div class="job-words">
      <a class="model-title link-row" href=${`#/jobs/${job.id}`}>${job.title}</a>
      <span class="quiet tabular">${[kindWords(job), active ? progressWords(job) : t(`web.jobs.${job.state}`)].filter(Boolean).join(" · ")}</span>
    </div>
    ${job.state !== "done" && html`<${JobProgress} job=${job} />`}
    ${job.error && html`<p class="notice">${job.error.message}</p>`}
    ${active && html`<${Press} class="button button-quiet" aria-label=${t("web.jobs.cancel_named", { title: job.title })} onClick=${() => jobDo(job, "cancel")}>${t("web.cancel")}<//>`}
    ${again && html`<${Press} class="button" onClick=${() => jobDo(job, "resume")}>${t("web.try_again")}<//>`}
  </li>`;
}

/** @param {Job} job */
const kindWords = ({ kind }) => (hasText(`jobs.kinds.${kind}.title`) ? t(`jobs.kinds.${kind}.title`) : "");

/** @param {Job} job */
export const isActive = ({ state }) => state === "queued" || state === "running";

/** @param {{job: Job}} props */
export function JobProgress({ job }) {
  const { done, total } = job.progress;
  return html`<progress class="job-progress" aria-label=${job.title} value=${total ? done : isActive(job) ? undefined : 0} max=${total || 1}></progress>`;
}

/** What it is doing: jobs tell the key of a text. @param {string} note */
const noteWords = (note) => (hasText(note) ? t(note) : note);

/** How far it is where there is little room. @param {{job: Job}} props */
export function JobBrief({ job }) {
  return html`<div class="block"><span class="quiet tabular">${progressWords(job)}</span><${JobProgress} job=${job} />
    <${Press} class="link-button" onClick=${() => jobDo(job, "cancel")}>${t("web.cancel")}<//></div>`;
}

/** A count in its unit: "1.2 GiB", "512 tokens". @param {number} value @param {string} unit */
function measured(value, unit) {
  if (!unit || unit === "bytes") return asBytes(value);
  if (unit === "seconds") return asDuration(value);
  const count = FORMATS.number(Number.isInteger(value) ? value : Number(value.toPrecision(3)));
  return hasText(`web.units.${unit}`) ? `${count} ${t(`web.units.${unit}`)}` : `${count} ${unit}`;
}

/** @param {Job} job */
export function progressWords({ state, progress: { done, total, unit, rate, seconds_left, note } }) {
  if (state === "queued") return t("web.jobs.queued");
  if (!total) return noteWords(note) || t("web.jobs.running");
  const left = seconds_left ? t("web.jobs.left", { time: asDuration(seconds_left) }) : "";
  const speed = rate && unit !== "seconds" ? `${measured(rate, unit)}/s` : "";
  const far = t("web.jobs.of", { done: measured(done, unit), total: measured(total, unit) });
  return [noteWords(note), far, speed, left].filter(Boolean).join(" · ");
}
