// Models: those that are here, those to get, and the page of one. Knows no model.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { DownloadQueue } from "../parts/DownloadQueue.js";
import { HubSearch } from "../parts/HubSearch.js";
import { Icon } from "../parts/Icon.js";
import { ModelRow } from "../parts/ModelRow.js";
import { Places } from "../parts/Places.js";
import { Recommended } from "../parts/Recommended.js";
import { Trouble } from "../parts/Trouble.js";
import { html } from "../parts/html.js";
import { KindFold } from "../parts/models/KindFold.js";
import { ModelPage } from "../parts/models/ModelPage.js";
import { advise, loadDownloads, loadPlaces, places } from "../state/finding.js";
import { leaving } from "../state/removing.js";
import { failure, loadSystem, models } from "../state/system.js";
import { language, t } from "../texts.js";

/** @import { Model } from "../types.d.ts" */

const FEW = 6; // models that need no search
const GET = "get";

/** `#/models` the shelf, `#/models//get` what there is to get, `#/models/NAME` one of them. @param {{id: string, rest: string}} props */
export function ModelsView({ id, rest }) {
  return id ? html`<${ModelPage} key=${id} name=${id} />` : html`<${Room} part=${rest === GET ? GET : "shelf"} />`;
}

/** @param {{part: string}} props */
function Room({ part }) {
  return html`<main class="page finding" id="main">
    <h1>${t("web.nav.models")}</h1>
    <nav class="parts-nav" aria-label=${t("web.models.parts")}>
      <a href="#/models" aria-current=${part === "shelf" ? "page" : undefined}>${t("web.models.shelf")}</a>
      <a href="#/models//get" aria-current=${part === GET ? "page" : undefined}>${t("web.finding.title")}</a>
    </nav>
    ${part === GET ? html`<${Getting} />` : html`<${Shelf} />`}
  </main>`;
}

function Getting() {
  useEffect(() => void loadDownloads(), []);
  useEffect(() => void advise(), [language.value]);
  return html`
    <p class="lead">${t("web.finding.about")}</p>
    <${DownloadQueue} />
    <${Recommended} />
    <${HubSearch} />
    <section aria-labelledby="by-address"><h2 id="by-address">${t("web.models.by_address")}</h2><${KindFold} kind="pull" /></section>
  `;
}

// ── what is here ────────────────────────────────────────────────────────────────────────────────────

function Shelf() {
  const [words, setWords] = useState("");
  useEffect(() => {
    loadSystem();
    loadDownloads();
    loadPlaces();
  }, []);
  if (failure.value && !models.value) return html`<${Trouble} error=${failure.value} retry=${loadSystem} />`;
  if (!models.value) return html`<p class="quiet">${t("web.loading")}</p>`;
  const all = models.value.filter((model) => !leaving.value.includes(model.name));
  const shown = all.filter((model) => sounds(model, words));
  return html`
    <${DownloadQueue} />
    ${all.length > FEW && html`<label class="search shelf-search"><${Icon} name="search" /><input type="search" class="field" placeholder=${t("web.models.search")} aria-label=${t("web.models.search")} value=${words} onInput=${(/** @type {any} */ event) => setWords(event.target.value)} /></label>`}
    ${!all.length && html`<p class="statement">${t("web.models.empty")} <a href="#/models//get">${t("web.finding.title")}</a></p>`}
    ${all.length > 0 && !shown.length && html`<p class="quiet" role="status">${t("web.models.none_called")}</p>`}
    ${groups(shown).map(({ title, about, list }) => html`<section key=${title} aria-label=${title}><h2>${title}</h2>
      ${about && html`<p class="quiet">${about}</p>`}
      <ul class="rows">${list.map((model) => html`<${ModelRow} key=${model.name} model=${model} />`)}</ul></section>`)}
    <${Places} />
    <p class="quiet">${t("web.models.remotes")} <a href="#/settings">${t("web.remotes.title")}</a></p>
  `;
}

/** @param {Model} model @param {string} words */
function sounds({ name, title, architecture, quantization, languages }, words) {
  const told = [name, title, architecture, quantization, ...languages].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => told.includes(word));
}

/** This machine's first, then each program's, then each server's. @param {Model[]} list */
function groups(list) {
  const own = list.filter((model) => !model.place && !model.elsewhere);
  const others = [...new Set(list.map((model) => model.place).filter(Boolean))];
  const servers = [...new Set(list.map((model) => model.elsewhere?.server ?? "").filter(Boolean))];
  const named = (/** @type {string} */ place) => places.value.find((one) => one.place === place)?.title ?? place;
  return [
    { title: t("web.home.models"), about: "", list: own },
    ...others.map((place) => ({ title: named(place), about: t("web.models.place_about"), list: list.filter((model) => model.place === place) })),
    ...servers.map((server) => ({ title: server, about: t("web.models.server_about"), list: list.filter((model) => model.elsewhere?.server === server) })),
  ].filter((group) => group.list.length);
}
