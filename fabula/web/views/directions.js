// Directions: those that were learned, a new one, one looked at, heard and written. Knows no weights.
// @ts-check
import { useEffect } from "preact/hooks";
import { JobCard } from "../parts/JobCard.js";
import { Trouble } from "../parts/Trouble.js";
import { Learn } from "../parts/directions/Learn.js";
import { OneDirection } from "../parts/directions/OneDirection.js";
import { Watch } from "../parts/directions/Watch.js";
import { missingOf, namesOf } from "../parts/directions/words.js";
import { html } from "../parts/html.js";
import { loadKinds } from "../state/jobs.js";
import { directions, directionsFailure, loadDirections, pageOf, shown, unreadable, work } from "../state/directions.js";
import { loadSystem } from "../state/system.js";
import { FORMATS, language, t } from "../texts.js";

/** @import { Direction } from "../types.d.ts" */

const FEW = 6;

/** @param {{id: string, rest: string}} props `#/directions//learn/MODEL`, `#/directions//job/ID`, `#/directions/NAME/PART` */
export function DirectionsView({ id, rest }) {
  useEffect(() => void loadKinds(), [language.value]);
  useEffect(() => void loadSystem(), []);
  const [part, ...others] = rest.split("/");
  if (id) return html`<${OneDirection} key=${id} name=${id} part=${part} job=${others[0] ?? ""} />`;
  if (part === "learn") return html`<${Learn} key=${rest} model=${others.join("/")} />`;
  return part === "job" ? html`<${Watch} key=${rest} id=${others[0] ?? ""} />` : html`<${All} />`;
}

function All() {
  const done = work.value.filter((job) => job.state === "done").length;
  useEffect(() => void loadDirections(), [done]);
  const open = work.value.filter((job) => job.state !== "done").slice(0, FEW);
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/lab">${t("web.nav.lab")}</a></nav>
    <h1>${t("web.directions.title")}</h1>
    <p class="lead">${t("web.directions.about")}</p>
    ${directionsFailure.value && html`<${Trouble} error=${directionsFailure.value} retry=${loadDirections} />`}
    ${directions.value && !shown.value.length && html`<p class="statement">${t("web.directions.none")}</p>`}
    <div class="row"><a class="button button-main" href="#/directions//learn">${t("web.directions.learn")}</a></div>
    ${shown.value.length > 0 && html`<section aria-labelledby="directions-here"><h2 id="directions-here">${t("web.directions.here")}</h2>
      <ul class="rows">${shown.value.map((one) => html`<${Row} key=${one.name} one=${one} />`)}</ul></section>`}
    ${unreadable.value.length > 0 && html`<section aria-labelledby="directions-unreadable"><h2 id="directions-unreadable">${t("web.directions.unreadable")}</h2>
      <ul class="rows">${unreadable.value.map((why) => html`<li key=${why} class="notice">${why}</li>`)}</ul></section>`}
    ${open.length > 0 && html`<section aria-labelledby="directions-work"><h2 id="directions-work">${t("web.lab.work")}</h2>
      <ul class="rows">${open.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul></section>`}
  </main>`;
}

/** @param {{one: Direction}} props */
function Row({ one }) {
  const { name, model, best, accuracy, separation } = one;
  const figures = t("web.directions.figures", { best, accuracy, separation: FORMATS.decimal(separation) });
  return html`<li class="direction-row">
    <div class="job-words">
      <a class="model-title link-row" href=${pageOf(name)}>${name}</a>
      <span class="quiet">${[namesOf(one).join(" − "), model].filter(Boolean).join(" · ")}</span>
      ${!one.missing.includes("layers") && html`<span class="quiet tabular">${figures}</span>`}
      ${one.missing.length > 0 && html`<span class="notice">${t("web.directions.lacks", { parts: missingOf(one) })}</span>`}
    </div>
    <div class="row direction-verbs"><a class="button" aria-label=${t("web.directions.hear_named", { name })} href=${pageOf(name, "try")}>${t("web.directions.hear")}</a></div>
  </li>`;
}
