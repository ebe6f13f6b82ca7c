// Builds of the engine: which there are, install one, load models with it, remove it. Knows no model.
// @ts-check
import { useState } from "preact/hooks";
import * as api from "../../api.js";
import { jobs, jobChanged } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Press } from "../Icon.js";
import { JobCard } from "../JobCard.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";

/** @import { Build } from "../../types.d.ts" */

export function Engines() {
  const work = jobs.value.filter((job) => job.kind === "engine" && job.state !== "done" && job.state !== "cancelled");
  const states = jobs.value.filter((job) => job.kind === "engine").map((job) => job.state).join();
  const { told, failure, again } = useAnswer(/** @returns {Promise<{builds: Build[]}>} */ () => api.get("/engines"), [states]);
  const run = (/** @type {Promise<any>} */ asked) => asked.then(again, tellError);
  if (failure && !told) return html`<${Trouble} error=${failure} retry=${again} />`;
  return html`<section aria-labelledby="engines-title">
    <h2 id="engines-title">${t("web.settings.page.engines")}</h2>
    <p class="quiet">${t("web.engines.about")}</p>
    ${!told && html`<p class="quiet">${t("web.loading")}</p>`}
    ${work.length > 0 && html`<ul class="rows">${work.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul>`}
    <ul class="rows" aria-label=${t("web.settings.page.engines")}>
      ${(told?.builds ?? []).map((build) => html`<${Row} key=${build.name} build=${build} run=${run} />`)}
    </ul>
    ${told && html`<${OwnServer} run=${run} />`}
  </section>`;
}

/** @param {{build: Build, run: (asked: Promise<any>) => Promise<any>}} props */
function Row({ build, run }) {
  const { name, version, devices, installed, in_use: used } = build;
  const called = name || t("web.engines.ours");
  const install = () => run(api.post("/engines/install", { kind: name }).then(jobChanged));
  return html`<li class="place-row">
    <div>
      <span class="model-title">${called}</span> <span class="quiet">${version}</span>
      <div class="quiet">${[t(used ? "web.engines.used" : installed ? "web.engines.installed" : "web.engines.absent"), devices.join(", ")].filter(Boolean).join(" · ")}</div>
    </div>
    <div class="row">
      ${!installed && html`<${Press} class="button" aria-label=${t("web.engines.install_named", { name: called })} onClick=${install}>${t("web.engines.install")}<//>`}
      ${installed && !used && html`<${Press} class="button" aria-label=${t("web.engines.use_named", { name: called })} onClick=${() => run(api.post("/engines/use", { name }))}>${t("web.engines.use")}<//>`}
      ${installed && name && html`<${Press} class="button button-quiet" aria-label=${t("web.engines.remove_named", { name: called })} onClick=${() => confirm(t("web.engines.remove_sure", { name: called })) && run(api.remove(`/engines/${encodeURIComponent(name)}`))}>${t("web.engines.remove")}<//>`}
    </div>
  </li>`;
}

/** @param {{run: (asked: Promise<any>) => Promise<any>}} props */
function OwnServer({ run }) {
  const [path, setPath] = useState("");
  const use = (/** @type {Event} */ event) => {
    event.preventDefault();
    return run(api.post("/engines/use", { name: path }).then(() => setPath((now) => (now === path ? "" : now))));
  };
  return html`<form class="setting" onSubmit=${use}>
    <label class="label" for="own-server">${t("web.engines.own")}</label>
    <div class="row row-field"><input id="own-server" class="field" required placeholder="/usr/local/bin/llama-server" value=${path} onInput=${(/** @type {any} */ event) => setPath(event.target.value)} /><button class="button">${t("web.engines.use")}</button></div>
    <small class="quiet">${t("web.engines.own_about")}</small>
  </form>`;
}
