// Models to get: what suits the person and the machine, what hubs have, what is on its way. Knows no model.
// @ts-check
import { useEffect } from "preact/hooks";
import { DownloadQueue } from "../parts/DownloadQueue.js";
import { HubSearch } from "../parts/HubSearch.js";
import { Places } from "../parts/Places.js";
import { Recommended } from "../parts/Recommended.js";
import { html } from "../parts/html.js";
import { advise, loadDownloads, loadPlaces } from "../state/finding.js";
import { language, t } from "../texts.js";

export function ModelsView() {
  useEffect(() => {
    loadDownloads();
    loadPlaces();
  }, []);
  useEffect(() => void advise(), [language.value]);
  return html`<main class="page finding" id="main">
    <h1>${t("web.finding.title")}</h1>
    <p class="lead">${t("web.finding.about")}</p>
    <${DownloadQueue} />
    <${Recommended} />
    <${HubSearch} />
    <${Places} />
  </main>`;
}
