// The downloads in their order: how far, how fast, and the ways to hold, hurry or drop one. Knows no source.
// @ts-check
import { downloadDo, downloads } from "../state/finding.js";
import { jobs } from "../state/system.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { IconButton, Press } from "./Icon.js";
import { progressWords } from "./JobCard.js";

/** @import { Download } from "../types.d.ts" */

export function DownloadQueue() {
  if (!downloads.value.length) return null;
  return html`<section aria-labelledby="queue-title">
    <h2 id="queue-title">${t("web.finding.downloads")}</h2>
    <ul class="rows">${downloads.value.map((download) => html`<${Row} key=${download.id} download=${download} />`)}</ul>
  </section>`;
}

/** @param {{download: Download}} props */
function Row({ download }) {
  const live = jobs.value.find((job) => job.id === download.id) ?? download;
  const { done, total } = live.progress;
  const { state, title, error } = download;
  const held = state === "paused" || state === "failed";
  const words = state === "running" ? progressWords(live) : t(`web.finding.state.${state}`);
  return html`<li class="job queue-row">
    <div class="job-words">
      <span class="model-title">${title}</span>
      <span class="quiet tabular">${words}</span>
    </div>
    <progress class="job-progress" aria-label=${title} value=${total ? done : held ? 0 : undefined} max=${total || 1}></progress>
    <div class="queue-verbs">
      ${state === "waiting" && download.position > 1 && html`<${IconButton} icon="send" label=${t("web.finding.first", { title })} onClick=${() => downloadDo(download, "first")} />`}
      ${held
        ? html`<${Press} class="button" onClick=${() => downloadDo(download, "resume")}>${t("web.finding.resume")}<//>`
        : html`<${Press} class="button button-quiet" onClick=${() => downloadDo(download, "pause")}>${t("web.finding.pause")}<//>`}
      <${IconButton} icon="trash" label=${t("web.finding.drop", { title })} onClick=${() => downloadDo(download, "cancel")} />
    </div>
    ${error && html`<p class="notice">${error.message}</p>`}
  </li>`;
}
