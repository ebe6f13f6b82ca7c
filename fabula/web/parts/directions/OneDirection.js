// A direction's pages: what was found, heard, written, and what an edit cost. Knows one direction's name.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import { pageOf, wholeDirection } from "../../state/directions.js";
import { language, t } from "../../texts.js";
import { html } from "../html.js";
import { Trouble } from "../Trouble.js";
import { Cost } from "./Cost.js";
import { Found } from "./Found.js";
import { TryOut } from "./TryOut.js";
import { namesOf } from "./words.js";
import { Write } from "./Write.js";

/** @import { Direction } from "../../types.d.ts" */

/** @type {Record<string, any>} */
const PARTS = { "": Found, try: TryOut, write: Write, written: Cost };
const TABS = ["", "try", "write"];

/** @param {{name: string, part: string, job: string}} props */
export function OneDirection({ name, part, job }) {
  const [direction, setDirection] = useState(/** @type {Direction | null} */ (null));
  const [failure, setFailure] = useState(/** @type {Error | null} */ (null));
  const load = () => wholeDirection(name).then((told) => (setDirection(told), setFailure(null)), setFailure);
  useEffect(() => void load(), [name, language.value]);
  const Part = PARTS[part] ?? Found;
  return html`<main class="page" id="main">
    <nav class="crumbs" aria-label=${t("web.models.way")}><a href="#/lab">${t("web.nav.lab")}</a> · <a href="#/directions">${t("web.directions.title")}</a></nav>
    <h1 class="path">${name}</h1>
    ${direction && html`<p class="quiet">${[namesOf(direction).join(" − "), direction.model].join(" · ")}</p>`}
    ${failure && html`<${Trouble} error=${failure} retry=${load} />`}
    ${!direction && !failure && html`<p class="quiet">${t("web.loading")}</p>`}
    ${direction && html`<nav class="direction-tabs" aria-label=${t("web.directions.pages")}>${TABS.map((tab) => html`<a key=${tab} href=${pageOf(name, tab)} aria-current=${tab === (part === "written" ? "write" : part) ? "page" : undefined}>${t(`web.directions.tabs.${tab || "found"}`)}</a>`)}</nav>
      <${Part} key=${part + job} direction=${direction} job=${job} />`}
  </main>`;
}
