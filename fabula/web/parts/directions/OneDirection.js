// A direction's pages: what was found, heard, written, and what an edit cost. Knows one direction's name.
// @ts-check
import { pageOf, wholeDirection } from "../../state/directions.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { useAnswer } from "../useAnswer.js";
import { Cost } from "./Cost.js";
import { Found } from "./Found.js";
import { Search } from "./Search.js";
import { Searched } from "./Searched.js";
import { TryOut } from "./TryOut.js";
import { missingOf, namesOf } from "./words.js";
import { Write } from "./Write.js";

/** @type {Record<string, any>} */
const PARTS = { "": Found, try: TryOut, search: Search, searched: Searched, write: Write, written: Cost };
const TABS = ["", "try", "search", "write"];
/** @type {Record<string, string>} */
const UNDER = { searched: "search", written: "write" };

/** @param {{name: string, part: string, job: string}} props */
export function OneDirection({ name, part, job }) {
  const { told, failure, again } = useAnswer(() => wholeDirection(name), [name, language.value]);
  const direction = told?.name === name ? told : null;
  const Part = PARTS[part] ?? Found;
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/lab">${t("web.nav.lab")}</a> · <a href="#/directions">${t("web.directions.title")}</a></nav>
    <h1 class="path">${name}</h1>
    ${direction && html`<p class="quiet">${[namesOf(direction).join(" − "), direction.model].filter(Boolean).join(" · ")}</p>`}
    ${failure && html`<${Trouble} error=${failure} retry=${again} />`}
    ${!direction && !failure && html`<p class="quiet">${t("web.loading")}</p>`}
    ${direction && direction.missing.length > 0 && html`<p class="notice">${t("web.directions.missing", { parts: missingOf(direction) })}</p>`}
    ${direction && html`<nav class="direction-tabs" aria-label=${t("web.directions.pages")}>${TABS.map((tab) => html`<a key=${tab} href=${pageOf(name, tab)} aria-current=${tab === (UNDER[part] ?? part) ? "page" : undefined}>${t(`web.directions.tabs.${tab || "found"}`)}</a>`)}</nav>
      <${Part} key=${part + job} direction=${direction} job=${job} />`}
  </main>`;
}
