// This machine and this installation: what there is, how much of it is used, and a report for whoever looks for a fault.
// Knows no secret.
// @ts-check
import * as api from "../../api.js";
import { system } from "../../state/system.js";
import { asBytes, FORMATS, t } from "../../texts.js";
import { html } from "../html.js";
import { copy } from "./CopyText.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { Restart } from "./Restart.js";

/** @import { HomePart } from "../../types.d.ts" */

export function About() {
  const { told: home, failure, again } = useAnswer(/** @returns {Promise<{path: string, free: number, parts: HomePart[]}>} */ () => api.get("/system/home"), []);
  const { told } = useAnswer(/** @returns {Promise<{text: string}>} */ () => api.get("/system/report"), []);
  const report = told?.text ?? "";
  if (!system.value || !(home || failure)) return html`<p class="quiet">${t("web.loading")}</p>`; // all at once: nothing moves
  return html`
    <section aria-labelledby="machine-title">
      <h2 id="machine-title">${t("web.about.machine")}</h2>
      <${Machine} />
      <${Restart} />
    </section>
    <section aria-labelledby="home-title">
      <h2 id="home-title">${t("web.settings.home")}</h2>
      ${home ? html`<p class="quiet"><code class="path">${home.path}</code> ${t("web.about.free", { free: asBytes(home.free) })}</p>
        <div class="settings-wide"><table class="settings-table">
          <thead><tr><th scope="col">${t("web.about.part")}</th><th scope="col" class="tabular">${t("web.about.size")}</th><th scope="col" class="tabular">${t("web.about.files")}</th></tr></thead>
          <tbody>${home.parts.filter((part) => part.size).map((part) => html`<tr key=${part.name}><th scope="row"><code>${part.name}</code></th><td class="tabular">${asBytes(part.size)}</td><td class="tabular">${FORMATS.number(part.files)}</td></tr>`)}</tbody>
        </table></div>` : failure ? html`<${Trouble} error=${failure} retry=${again} />` : html`<p class="quiet">${t("web.loading")}</p>`}
    </section>
    <section aria-labelledby="report-title">
      <h2 id="report-title">${t("web.about.report")}</h2>
      <p class="quiet">${t("web.about.report_about")}</p>
      <pre class="report" role="group" tabindex="0" aria-labelledby="report-title" lang="en">${report}</pre>
      <div class="row"><button type="button" class="button" disabled=${!report} onClick=${() => copy(report)}>${t("web.about.report_copy")}</button></div>
    </section>`;
}

function Machine() {
  const told = system.value;
  if (!told) return html`<p class="quiet">${t("web.loading")}</p>`;
  const { machine } = told;
  const gpus = machine.gpus.map((gpu) => `${gpu.name} · ${t("web.about.free_of", { free: asBytes(gpu.memory_free), total: asBytes(gpu.memory) })}`);
  return html`<dl class="facts-details settings-facts">
    <dt>${t("web.settings.version")}</dt><dd>Fabula ${told.version}</dd>
    <dt>${t("web.about.system")}</dt><dd>${machine.system}</dd>
    <dt>${t("web.about.processor")}</dt><dd>${t("web.about.cores", { name: machine.processor, cores: machine.cores })}</dd>
    <dt>${t("web.about.memory")}</dt><dd>${t("web.about.free_of", { free: asBytes(machine.memory_available), total: asBytes(machine.memory) })}</dd>
    <dt>${t("web.about.gpus")}</dt><dd>${gpus.length ? gpus.map((gpu) => html`<div key=${gpu}>${gpu}</div>`) : t("web.about.no_gpu")}</dd>
    <dt>${t("web.about.engines")}</dt><dd><a href="#/settings/engines">${t("web.settings.page.engines")}</a></dd>
  </dl>`;
}
