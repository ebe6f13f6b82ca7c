// A direction on its way: how far, how fast, how long still; and to its page when it is there. Knows one job.
// @ts-check
import { useEffect } from "preact/hooks";
import { pageOf } from "../../state/directions.js";
import { go } from "../../state/route.js";
import { jobs } from "../../state/system.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { JobCard } from "../JobCard.js";

/** @param {{id: string}} props */
export function Watch({ id }) {
  const job = jobs.value.find((one) => one.id === id);
  const name = job?.kind === "direction" && job.state === "done" ? job.result.name : "";
  useEffect(() => void (name && go(pageOf(name))), [name]);
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/directions">${t("web.directions.title")}</a></nav>
    <h1>${t("web.directions.learning")}</h1>
    <p class="lead">${t("web.directions.learning_about")}</p>
    ${job ? html`<ul class="rows" aria-live="polite"><${JobCard} job=${job} /></ul>` : html`<p class="quiet">${t("web.loading")}</p>`}
  </main>`;
}
