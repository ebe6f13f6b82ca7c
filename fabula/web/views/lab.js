// The lab: what can be made and measured of models, by forms from the recipes' own types, and the work of each kind.
// Knows no kind: whatever the studio tells is here.
// @ts-check
import { useEffect } from "preact/hooks";
import { JobCard } from "../parts/JobCard.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import { JobForm } from "../parts/jobs/JobForm.js";
import { kindOf, kinds, kindsFailure, loadKinds } from "../state/jobs.js";
import { jobs } from "../state/system.js";
import { language, t } from "../texts.js";

const ROOM = "lab";
const SHOWN = 12;

/** @param {{id: string, rest: string}} props `#/lab/KIND/MODEL/TYPE` is a form that is filled in so far */
export function Lab({ id, rest }) {
  useEffect(() => void loadKinds(), [language.value]);
  return id ? html`<${OneKind} key=${`${id}/${rest}`} kind=${id} rest=${rest} />` : html`<${All} />`;
}

function All() {
  const own = (kinds.value ?? []).filter((kind) => kind.room === ROOM);
  const names = own.map((kind) => kind.kind);
  const work = jobs.value.filter((job) => names.includes(job.kind)).slice(0, SHOWN);
  return html`<main class="page" id="main">
    <h1>${t("web.nav.lab")}</h1>
    <p class="lead">${t("web.lab.about")}</p>
    ${kindsFailure.value && html`<${Trouble} error=${kindsFailure.value} retry=${loadKinds} />`}
    <ul class="cards kinds"><li><a class="card kind-card" href="#/directions"><h2>${t("web.directions.title")}</h2><p>${t("web.directions.about")}</p></a></li>
      ${own.map((kind) => html`<li key=${kind.kind}><a class="card kind-card" href=${`#/lab/${kind.kind}`}><h2>${kind.title}</h2><p>${kind.about}</p></a></li>`)}</ul>
    ${work.length > 0 && html`<section aria-labelledby="lab-work"><h2 id="lab-work">${t("web.lab.work")}</h2>
      <ul class="rows">${work.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul></section>`}
  </main>`;
}

/** @param {{kind: string, rest: string}} props */
function OneKind({ kind, rest }) {
  const form = kindOf(kind);
  const work = jobs.value.filter((job) => job.kind === kind).slice(0, SHOWN);
  const [model = "", type = ""] = splitLast(rest);
  const given = Object.fromEntries(Object.entries({ model, type }).filter(([name, value]) => value && form?.schema.properties[name]));
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/lab">${t("web.nav.lab")}</a></nav>
    <h1>${form?.title ?? kind}</h1>
    ${!form && (kinds.value ? html`<p class="statement">${t("web.lab.unknown", { kind })}</p>` : html`<${Waiting} />`)}
    ${form && html`<${JobForm} kind=${form} given=${given} />`}
    ${work.length > 0 && html`<section aria-labelledby="kind-work"><h2 id="kind-work">${t("web.lab.work")}</h2>
      <ul class="rows">${work.map((job) => html`<${JobCard} key=${job.id} job=${job} />`)}</ul></section>`}
  </main>`;
}

function Waiting() {
  return kindsFailure.value ? html`<${Trouble} error=${kindsFailure.value} retry=${loadKinds} />` : html`<p class="quiet">${t("web.loading")}</p>`;
}

/** A model's name may hold slashes, a type none. @param {string} rest */
function splitLast(rest) {
  const cut = rest.lastIndexOf("/");
  return cut < 0 ? [rest, ""] : [rest.slice(0, cut), rest.slice(cut + 1)];
}
