// Where models lie: the home's own folder, those of other programs, and any folder one names. Knows no file.
// @ts-check
import { useEffect, useState } from "preact/hooks";
import * as api from "../../api.js";
import { loadPlaces, places } from "../../state/finding.js";
import { loadSystem, system } from "../../state/system.js";
import { tellError } from "../../state/toasts.js";
import { t } from "../../texts.js";
import { html } from "../html.js";
import { Places } from "../Places.js";

export function Folders() {
  const [path, setPath] = useState("");
  useEffect(() => void loadPlaces(), []);
  const use = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      places.value = (await api.post("/places", { place: path })).places;
      setPath((now) => (now === path ? "" : now));
      await loadSystem();
    } catch (error) {
      tellError(error);
    }
  };
  return html`
    <section aria-labelledby="folders-title">
      <h2 id="folders-title">${t("web.settings.page.places")}</h2>
      <p class="quiet">${t("web.folders.about")} <code class="path">${system.value?.home}/models</code></p>
      <form class="setting" onSubmit=${use}>
        <label class="label" for="own-folder">${t("web.folders.own")}</label>
        <div class="row row-field"><input id="own-folder" class="field" required value=${path} onInput=${(/** @type {any} */ event) => setPath(event.target.value)} /><button class="button">${t("web.folders.use")}</button></div>
        <small class="quiet">${t("web.folders.own_about")}</small>
      </form>
    </section>
    <${Places} />`;
}
