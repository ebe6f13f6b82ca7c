// Models that other programs keep on this disk: used where they lie, or left alone. Knows no file.
// @ts-check
import { places, togglePlace } from "../state/finding.js";
import { t } from "../texts.js";
import { html } from "./html.js";
import { Press } from "./Icon.js";

/** @import { Place } from "../types.d.ts" */

export function Places() {
  if (!places.value.length) return null;
  return html`<section aria-labelledby="places-title">
    <h2 id="places-title">${t("web.finding.places")}</h2>
    <p class="quiet">${t("web.finding.places_about")}</p>
    <ul class="rows">${places.value.map((place) => html`<${Row} key=${place.place} place=${place} />`)}</ul>
  </section>`;
}

/** @param {{place: Place}} props */
function Row({ place }) {
  const { title, folders, used, models } = place;
  return html`<li class="place-row">
    <div>
      <span class="model-title">${title}</span>
      <span class="quiet path">${folders.join(", ")}</span>
      <span class="quiet">${t("web.finding.place_models", { count: models.length })}</span>
    </div>
    <${Press} class="button" aria-pressed=${used} onClick=${() => togglePlace(place)}>${t(used ? "web.finding.place_leave" : "web.finding.place_use")}<//>
  </li>`;
}
