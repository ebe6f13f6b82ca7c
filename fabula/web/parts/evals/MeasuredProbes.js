// The probes of what something cost, or why they were not asked. Knows a measurement, no job.
// @ts-check
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Compared } from "./Compared.js";

/** @param {{measured: any}} props */
export function MeasuredProbes({ measured }) {
  const { probes, streamed } = measured;
  if (!probes && !streamed) return null;
  return html`<section aria-labelledby="probes-title"><h2 id="probes-title">${t("web.probes.title")}</h2>
    ${!probes ? html`<p class="quiet">${t("web.probes.streamed")}</p>` : probes.error ? html`<p class="notice">${t("web.probes.not_asked")} ${probes.error.message ?? ""}</p>` : html`<${Compared} found=${probes} />`}
  </section>`;
}
